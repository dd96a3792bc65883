package mta

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
)

// openSettings loads the settings database, and keeps them up to date until everything is closed. A database that is
// down stops nothing. changed is called after each change that was made here.
func openSettings(ctx context.Context, b *base, keys *keyring, local []netip.Addr,
	changed func()) (*snapshot.Keeper, error) {
	cfg := b.cfg
	host, _ := os.Hostname()
	k := &snapshot.Keeper{
		Open: func(ctx context.Context) (*settings.DB, error) {
			return settings.Open(ctx, cfg.DatabaseAddress, settings.Options{SkipValidation: !cfg.DatabaseValidate})
		},
		TTL:      cfg.DatabaseTTL,
		Cache:    cfg.SettingsCache(),
		IPs:      listed(local, host),
		Logger:   b.log,
		Compiler: settingsCompiler(cfg, keys),
		Started:  startedPaused(cfg),
		Announce: changed,
	}
	if err := settings.CleanCaches(cfg.QueueDir()); err != nil {
		b.log.Warn("unfinished settings caches cannot be removed", "error", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := k.Start(ctx); err != nil {
		return nil, misconfigured{fmt.Errorf("database-address: %w", err)}
	}
	if err := k.State().Err; cfg.DatabaseRequired && k.Current().Withheld {
		return nil, misconfigured{fmt.Errorf("database-required: there are no settings to start with: %w", err)}
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); k.Run(running) }()
	b.onClose(func() error { stop(); <-ended; return nil })
	return k, nil
}

// listed are the addresses of this machine as rows of the table ips; link-local ones mean nothing to others.
func listed(addresses []netip.Addr, host string) (ips []settings.IP) {
	for _, ip := range addresses {
		if !ip.IsLinkLocalUnicast() {
			ips = append(ips, settings.IP{IP: ip.String(), Hostname: host})
		}
	}
	return ips
}

// settingsTime is how long the settings database may take to be read again.
const settingsTime = time.Minute

func reloadSettings(k *snapshot.Keeper) {
	ctx, cancel := context.WithTimeout(context.Background(), settingsTime)
	defer cancel()
	_ = k.Reload(ctx) // what fails is logged, and the settings in force stay so
}

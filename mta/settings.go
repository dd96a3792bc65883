package mta

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
)

// openSettings loads the settings database, and keeps them up to date until the program ends. A database that is down
// stops nothing.
func (a *app) openSettings(cfg *config.Config) error {
	host, _ := os.Hostname()
	var ips []settings.IP
	for _, ip := range localAddresses() {
		if ip.IsLinkLocalUnicast() {
			continue // means nothing to others
		}
		ips = append(ips, settings.IP{IP: ip.String(), Hostname: host})
	}
	a.settings = &snapshot.Keeper{
		Open:     databaseOpener(cfg, settings.Options{SkipValidation: !cfg.DatabaseValidate}),
		TTL:      cfg.DatabaseTTL,
		Cache:    settingsCache(cfg),
		IPs:      ips,
		Logger:   a.log,
		Compiler: settingsCompiler(cfg),
		Started:  startedPaused(cfg),
		Announce: a.tellCluster,
	}
	if err := settings.CleanCaches(queueDir(cfg)); err != nil {
		a.log.Warn("unfinished settings caches cannot be removed", "error", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := a.settings.Start(ctx); err != nil {
		return misconfigured{fmt.Errorf("database-address: %w", err)}
	}
	if err := a.settings.State().Err; cfg.DatabaseRequired && a.settings.Current().Withheld {
		return misconfigured{fmt.Errorf("database-required: there are no settings to start with: %w", err)}
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); a.settings.Run(running) }()
	a.onClose(func() error { stop(); <-ended; return nil })
	return nil
}

// settingsCache is the file that stands in for the database while it is down at a start. Each database has its own, so
// that one never answers for another. Removing it says that an empty database is meant.
func settingsCache(cfg *config.Config) string {
	sum := sha256.Sum256([]byte(cfg.DatabaseAddress))
	return filepath.Join(queueDir(cfg), "settings-"+hex.EncodeToString(sum[:8])+".cache")
}

func databaseOpener(cfg *config.Config, opts settings.Options) func(context.Context) (*settings.DB, error) {
	return func(ctx context.Context) (*settings.DB, error) {
		return settings.Open(ctx, cfg.DatabaseAddress, opts)
	}
}

// maintainDatabase repairs or empties the settings database, for --repair-database and --purge-database.
func maintainDatabase(cfg *config.Config, s config.Switches, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	db, err := databaseOpener(cfg, settings.Options{SkipValidation: true})(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "mtad:", err)
		return exitCode(misconfiguredIf(err))
	}
	defer db.Close()
	if s.RepairDatabase {
		done, err := db.Repair(ctx)
		for _, line := range done {
			fmt.Fprintln(stdout, line)
		}
		if err != nil {
			fmt.Fprintln(stderr, "mtad:", err)
			return exitFailed
		}
		if len(done) == 0 {
			fmt.Fprintln(stdout, "nothing to repair")
		}
	}
	if s.PurgeDatabase {
		if !s.Yes && !confirmed(stdin, stdout, fmt.Sprintf("Delete every setting in %s?", db)) {
			fmt.Fprintln(stdout, "nothing was deleted")
			return exitFailed
		}
		n, err := db.Purge(ctx)
		if err == nil {
			err = settings.RemoveCache(settingsCache(cfg))
		}
		if err != nil {
			fmt.Fprintln(stderr, "mtad:", err)
			return exitFailed
		}
		fmt.Fprintln(stdout, n, "rows deleted, and the settings of the last run with them")
	}
	return exitOK
}

func confirmed(stdin io.Reader, stdout io.Writer, question string) bool {
	fmt.Fprint(stdout, question, " Type yes: ")
	answer, _ := bufio.NewReader(stdin).ReadString('\n')
	return strings.TrimSpace(answer) == "yes"
}

// misconfigured is an error that a change of the configuration mends.
type misconfigured struct{ error }

func (m misconfigured) Unwrap() error { return m.error }

// misconfiguredIf marks the errors of a database that are mistakes in its address or choice.
func misconfiguredIf(err error) error {
	var address *settings.AddressError
	var schema *settings.SchemaError
	if errors.As(err, &address) || errors.As(err, &schema) {
		return misconfigured{err}
	}
	return err
}

func exitCode(err error) int {
	var m misconfigured
	if errors.As(err, &m) {
		return exitConfig
	}
	return exitFailed
}

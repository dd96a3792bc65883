package mta

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/external"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/delivery/sign"
)

// settingsCompiler makes snapshots for this instance. Private keys are parsed once, and counters go on, over all of
// them.
func settingsCompiler(cfg *config.Config, keys *keyring) snapshot.Compiler {
	defaults := make([]string, len(cfg.SMTPDefaultIPs))
	for i, ip := range cfg.SMTPDefaultIPs {
		defaults[i] = ip.String()
	}
	return snapshot.Compiler{Instance: int64(cfg.ServerID), DefaultIPs: defaults, Parsed: &sign.KeyCache{Open: keys.open},
		SuppressionKey: cfg.SuppressionKey, Counters: new(rules.Counters)}
}

// startedPaused is the pause of --paused: everything waits until an operator lifts it.
func startedPaused(cfg *config.Config) []rules.Pause {
	if !cfg.Paused {
		return nil
	}
	return []rules.Pause{{Cluster: true}} // wherever it would have come from: it is this instance's own
}

// follow has the engine, and what finds ways for it, follow the settings. Nothing else may change the engine's fields
// after it.
func follow(settings *snapshot.Keeper, w *ways, finder *mx.Finder, engine *delivery.Engine) {
	var current *rules.Set
	var hosts *snapshot.Hosts
	var routes *mx.Routes
	var mtas *external.Table
	settings.OnChange(func(s *snapshot.Snapshot) {
		if s.DNS != hosts || s.Routes != routes {
			hosts, routes = s.DNS, s.Routes
			w.table(s.Routes)
			finder.Forget()
		}
		if s.External != mtas {
			mtas = s.External
			engine.LookElsewhere()
		}
		if s.Steering != current {
			current = s.Steering
			engine.Steered()
		}
	})
}

// origins are the addresses that mail can leave from.
type origins struct {
	machine  addressList
	settings *snapshot.Keeper
}

// local are those of this machine.
func (o *origins) local() []netip.Addr { return o.machine.get() }

// external are the public ones elsewhere.
func (o *origins) external() *external.Table { return o.settings.Current().External }

// all are those of this machine, and public ones elsewhere.
func (o *origins) all() []netip.Addr {
	local, elsewhere := o.local(), o.external().Sources()
	if len(elsewhere) == 0 {
		return local
	}
	return slices.Concat(local, elsewhere)
}

// ways are the routes in force: those of the settings before those of the file of smtp-routes.
type ways struct {
	mu       sync.Mutex
	settings *mx.Routes
	read     *mx.Routes
	both     atomic.Pointer[mx.Routes]
}

func (w *ways) table(r *mx.Routes) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settings = r
	w.both.Store(r.Over(w.read))
}

func (w *ways) file(r *mx.Routes) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read = r
	w.both.Store(w.settings.Over(r))
}

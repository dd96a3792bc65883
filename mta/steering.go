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
	"github.com/sluicemail/sluice/delivery/smtpout"
)

// settingsCompiler makes snapshots for this instance. Private keys are parsed once, and counters go on, over all of
// them.
func settingsCompiler(cfg *config.Config) snapshot.Compiler {
	defaults := make([]string, len(cfg.SMTPDefaultIPs))
	for i, ip := range cfg.SMTPDefaultIPs {
		defaults[i] = ip.String()
	}
	return snapshot.Compiler{Instance: int64(cfg.ServerID), DefaultIPs: defaults, Parsed: new(sign.KeyCache),
		Counters: new(rules.Counters)}
}

// startedPaused is the pause of --paused: everything waits until an operator lifts it.
func startedPaused(cfg *config.Config) []rules.Pause {
	if !cfg.Paused {
		return nil
	}
	return []rules.Pause{{Cluster: true}} // wherever it would have come from: it is this instance's own
}

// steering is what an operator decides about mail while it flows.
func (a *app) steering() delivery.Steering { return a.settings.Current().Steering }

// steer has the engine, and whoever finds ways for it, follow the settings. Nothing else may change the engine's fields
// after it.
func (a *app) steer() {
	var current *rules.Set
	var hosts *snapshot.Hosts
	var routes *mx.Routes
	var mtas *external.Table
	a.settings.OnChange(func(s *snapshot.Snapshot) {
		if s.DNS != hosts || s.Routes != routes {
			hosts, routes = s.DNS, s.Routes
			a.ways.table(s.Routes)
			a.finder.Forget()
		}
		if s.External != mtas {
			mtas = s.External
			a.heardOf()
		}
		if s.Steering != current {
			current = s.Steering
			a.engine.Steered()
		}
	})
}

// hostAddresses returns the addresses that the settings give a host.
func (a *app) hostAddresses(host string) []netip.Addr {
	return a.settings.Current().DNS.Addresses(host)
}

// externalMTAs returns the public addresses that mail can leave from beside those of this machine.
func (a *app) externalMTAs() *external.Table { return a.settings.Current().External }

// sources are the addresses that mail can leave from: those of this machine, and public ones elsewhere.
func (a *app) sources() []netip.Addr {
	local, elsewhere := localAddresses(), a.externalMTAs().Sources()
	if len(elsewhere) == 0 {
		return local
	}
	return slices.Concat(local, elsewhere)
}

// newSender makes the connections over which mail leaves.
func (a *app) newSender() *smtpout.Sender {
	dialer := &external.Dialer{Table: a.externalMTAs}
	return &smtpout.Sender{ClearFallback: true, Dial: dialer.Dial}
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

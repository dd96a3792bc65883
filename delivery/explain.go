package delivery

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// PathState tells what a path is doing, and why what waits on it has not left yet.
type PathState struct {
	Source   netip.Addr // zero: the system chooses
	Site     string
	Security queue.Security

	Ready    int // messages in memory
	Parked   int // domains of which messages are parked; what is parked because of pauses is told by Engine.Held
	Open     int // established connections
	Starting int // connections being made
	Idle     int // established connections without work

	// Offline is when the back-off ends; zero: there is none. LastError is the reason for it.
	Offline   time.Time
	LastError string
	// Wait is the limit that mail waits for; zero: none.
	Wait      throttle.Wait
	WaitUntil time.Time
	// NoSlot says that all connection slots are taken.
	NoSlot bool
	// Resolving is the number of messages that wait for their route to be looked up; there is no path then, and Site is
	// their domain. Only Explain tells.
	Resolving int
	// Oldest is since when the message waits that is first in line.
	Oldest time.Time
}

// Paths returns the state of every path, sorted by site and source.
func (e *Engine) Paths() []PathState {
	e.init()
	paths := e.allPaths()
	states := make([]PathState, 0, len(paths))
	for _, p := range paths {
		states = append(states, p.state())
	}
	slices.SortFunc(states, func(a, b PathState) int {
		if c := strings.Compare(a.Site, b.Site); c != 0 {
			return c
		}
		return a.Source.Compare(b.Source)
	})
	return states
}

// Explain returns the states of the paths that mail for a domain takes, as far as its route is known.
func (e *Engine) Explain(domain string) []PathState {
	e.init()
	site := domain
	if route, err, ok := e.router.Cached(domain); ok && err == nil {
		site = route.Site
	}
	states := slices.DeleteFunc(e.Paths(), func(s PathState) bool { return s.Site != site })
	if n := e.routing.waits(domain); n > 0 {
		states = append(states, PathState{Site: domain, Resolving: n})
	}
	return states
}

// binding returns the limit that messages wait for, and until when: one on all mail, one on the addresses of the
// target, or one on connections when the open ones have enough to do. p.mu is held.
func (p *path) binding(now time.Time) (wait throttle.Wait, until time.Time) {
	if wait, until := p.allowance.holdsSending(now); !until.IsZero() {
		return wait, until
	}
	wait, until, free := p.idle.binding(now)
	if until.IsZero() && !free {
		return p.allowance.holdsConnecting(now)
	}
	return wait, until
}

func (p *path) state() PathState {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	s := PathState{
		Source: p.key.Source, Site: p.key.Site, Security: p.key.security,
		Ready: p.ready.len(), Parked: p.shelf.Len(), Open: p.open, Starting: p.starting, Idle: len(p.idle),
		LastError: p.backOff.lastError(), NoSlot: p.starved,
	}
	if until := p.backOff.until(false); p.open == 0 && now.Before(until) {
		s.Offline = until
	}
	s.Wait, s.WaitUntil = p.binding(now)
	if j := p.ready.first(); j != nil {
		s.Oldest = j.since
	}
	return s
}

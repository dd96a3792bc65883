package delivery

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// Place is where a message is that has not left yet.
type Place string

// The places.
const (
	InQueue   Place = "queue"   // due, but not read yet: there is no room in memory, or it is another's turn
	Delayed   Place = "delayed" // in the queue, until the time of its next attempt
	SetAside  Place = "parked"  // in the queue, set aside under a key
	LookingUp Place = "lookup"  // in memory, its route is being looked up
	InMemory  Place = "memory"  // in memory, in the ready list of a path
	OnTheWire Place = "wire"    // with a connection, or what came of that is being stored
)

// Cause is why a message has not left yet.
type Cause string

// The causes.
const (
	NoCause    Cause = "none"     // it is about to go
	ByPause    Cause = "pause"    // an operator decided that it waits
	ByFlood    Cause = "flood"    // an answer matched a flood pattern
	ByLimit    Cause = "limit"    // of a throttle
	ByBackOff  Cause = "backoff"  // the last connections could not be made, or broke
	ByRetry    Cause = "retry"    // its last attempt failed for now
	BySchedule Cause = "schedule" // it is not to be sent before a time
	ByLookUp   Cause = "lookup"   // the route is not known yet
	BySlot     Cause = "slot"     // all connections that there may be are taken
	ByConnect  Cause = "connect"  // a connection is being made
	ByTurn     Cause = "turn"     // others are before it
	ByMemory   Cause = "memory"   // there is no room in memory
	BySending  Cause = "sending"  // it is being sent
	ByInstance Cause = "instance" // no instance is known to have its addresses
)

// Why tells why a message has not left yet. They are plain values, as of the moment of the call.
type Why struct {
	Place Place
	Cause Cause
	Since time.Time // it was first stored; zero: not known
	// Until is when the cause may end, or the next attempt is made; zero: not known, or never.
	Until time.Time
	// Ahead is the number of messages in memory that are before it on its path.
	Ahead int
	// About is how long that takes at the rate that the throttle allows; zero: not known.
	About time.Duration
	// Pause holds it, with cause ByPause.
	Pause *Pause
	// Wait is the limit that holds it, and its rule, with cause ByLimit or ByFlood.
	Wait throttle.Wait
	// Key is what it is parked under.
	Key string
	// Source and Site are the path that it waits for, as far as that is known.
	Source netip.Addr
	Site   string
	// Paths are the paths of its site.
	Paths []PathState
	// Last is the result of its last attempt; nil: there was none.
	Last *queue.Result
	// Error is why the path is off-line, with cause ByBackOff.
	Error string
	// Text tells all that in one sentence.
	Text string

	value int64 // of the limit
	unit  string
}

// Why tells where a message of the outbox waits, and why. Entry is its line in a listing of the queue; without one
// (nil), the message is taken to be ready. It looks at what is in memory and asks neither queue nor network,
// so that a message that moves meanwhile may be told of as it was. The message is not changed.
func (e *Engine) Why(_ context.Context, m *queue.Message, entry *queue.Entry) Why {
	e.init()
	w := Why{Place: InQueue, Cause: NoCause}
	if n := len(m.Results); n > 0 {
		last := m.Results[n-1]
		w.Last = &last
	}
	var line queue.Entry
	if entry != nil {
		line = *entry
	}
	w.Since, w.Key = line.Stored, line.Parked
	e.locate(&w, m, &line)
	e.findCause(&w, m, &line)
	w.Text = w.sentence(time.Now()) + demand(m)
	return w
}

// locate finds out where a message is.
func (e *Engine) locate(w *Why, m *queue.Message, line *queue.Entry) {
	domain := addr.Domain(m.Recipient)
	w.Site = domain
	if s := m.Smarthost; s != nil && s.Hostname != "" {
		w.Site = smarthostRoute(s).Site
	} else if route, err, ok := e.router.Cached(domain); ok && err == nil {
		w.Site = route.Site
	}
	switch line.State {
	case queue.Delayed:
		w.Place = Delayed
	case queue.Parked:
		w.Place = SetAside
	case queue.Out:
		e.locateInMemory(w, m.ID, domain)
	}
	w.Paths = slices.DeleteFunc(e.Paths(), func(s PathState) bool { return s.Site != w.Site })
}

// locateInMemory looks for a message in the lists of its site, and takes it to be on its way when it is in
// none.
func (e *Engine) locateInMemory(w *Why, id, domain string) {
	w.Place = OnTheWire
	if e.routing.has(id, domain) {
		w.Place = LookingUp
		return
	}
	for _, p := range e.allPaths() {
		if ahead := p.ahead(id); ahead >= 0 {
			w.Place, w.Ahead, w.Source, w.Site = InMemory, ahead, p.id().Source, p.id().Site
			return
		}
	}
}

// findCause finds out why a message waits where it is.
func (e *Engine) findCause(w *Why, m *queue.Message, line *queue.Entry) {
	switch {
	case w.Place == OnTheWire:
		w.Cause = BySending
	case w.Place == Delayed:
		w.Cause, w.Until = BySchedule, line.Due
		if w.Until.IsZero() {
			w.Until = m.NextAttempt
		}
		if w.Last != nil {
			w.Cause = ByRetry
		}
	case w.Key == unowned.Key:
		w.Cause = ByInstance
	case e.pausedNow(w, m):
	case w.Place == LookingUp:
		w.Cause = ByLookUp
	case e.pathCause(w):
	case w.Place == InQueue:
		w.Cause = ByTurn
		if e.memory.short() {
			w.Cause = ByMemory
		}
	case w.Place == SetAside:
		w.Cause = ByTurn
	}
}

// pausedNow reports whether a pause holds the message.
func (e *Engine) pausedNow(w *Why, m *queue.Message) bool {
	s := e.steering()
	if s == nil {
		return false
	}
	l := letter{m: m, domain: addr.Domain(m.Recipient)}
	p, v := e.planner.plan(s, &l, nil)
	if v.pause != nil {
		w.Cause, w.Pause, w.Until = ByPause, v.pause, v.pause.Until
		return true
	}
	if v.goes() && !w.Source.IsValid() {
		source, ok := p.preferred(&l, netip.Addr{})
		if !ok {
			source = p.ofTurn(e.turn.Load() + 1)
		}
		w.Source = source
	}
	if strings.HasPrefix(w.Key, "pause:") {
		if pause, ok := e.pauseOf(w.Key); ok {
			w.Cause, w.Pause, w.Until = ByPause, &pause, pause.Until
			return true
		}
	}
	return false
}

// pathCause tells what holds up the path that the message waits for: its own when that is known, else the one on which
// most waits.
func (e *Engine) pathCause(w *Why) bool {
	var p *PathState
	for i := range w.Paths {
		s := &w.Paths[i]
		switch {
		case w.Source.IsValid() && s.Source != w.Source:
		case p == nil || s.Ready > p.Ready:
			p = s
		}
	}
	if p == nil {
		return false
	}
	w.Source = p.Source
	if w.Place != InMemory {
		w.Ahead = p.Ready
	}
	limits := e.throttle.Limits(throttle.Path{Source: p.Source, Site: p.Site})
	rate := limits.Domain.Messages
	if p.Wait.Limit == "ip_maxmessages" {
		rate = limits.Target.Messages
	}
	if rate > 0 {
		w.About = time.Duration(w.Ahead) * time.Minute / time.Duration(rate)
	}
	switch {
	case !p.Offline.IsZero():
		w.Cause, w.Until, w.Error = ByBackOff, p.Offline, p.LastError
	case p.Wait.Limit != "":
		w.Cause, w.Wait, w.Until = ByLimit, p.Wait, p.WaitUntil
		if p.Wait.Limit == "pause" || strings.HasPrefix(p.Wait.Rule, "flood ") {
			w.Cause = ByFlood
		}
	case p.NoSlot && p.Open == 0:
		w.Cause = BySlot
	case p.Open == 0 && p.Starting > 0:
		w.Cause = ByConnect
	case w.Ahead > 0:
		w.Cause = ByTurn
		if rate > 0 && w.About > time.Second {
			w.Cause, w.Wait = ByLimit, throttle.Wait{For: w.About, Limit: "maxmessages", Rule: limits.Origin["maxmessages"]}
		}
	default:
		return false
	}
	w.measure(limits)
	return true
}

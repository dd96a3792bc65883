package delivery_test

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// rules is a Steering that does as it is told; nil functions have nothing against anything.
type rules struct {
	suppressed func(string) (delivery.Refusal, bool)
	rewrite    func(*queue.Message) delivery.Decision
	redirects  map[netip.Addr]netip.Addr
	refused    []refusing
	paused     []pausing
	pools      map[string][]netip.Addr
	respond    func(*delivery.Selection, *queue.Message, *queue.Result, string) delivery.Decision
}

// area is what a rule is about; zero values match everything.
type area struct {
	source, target netip.Addr
	domain, tag    string
}

func (a *area) matches(s *delivery.Selection) bool {
	return (!a.source.IsValid() || a.source == s.Source) && (!a.target.IsValid() || a.target == s.Target) &&
		(a.domain == "" || a.domain == s.Domain) && (a.tag == "" || slices.Contains(s.Tags, a.tag))
}

type refusing struct {
	area
	delivery.Refusal
}

type pausing struct {
	area
	id    int64
	until time.Time
}

func (h *rules) Suppressed(recipient string) (why delivery.Refusal, ok bool) {
	if h.suppressed == nil {
		return why, false
	}
	return h.suppressed(recipient)
}

func (h *rules) Rewrite(m *queue.Message, _ time.Time) (d delivery.Decision) {
	if h.rewrite != nil {
		return h.rewrite(m)
	}
	return d
}

func (h *rules) Redirect(source netip.Addr, _ string, _ time.Time) (netip.Addr, bool) {
	to, ok := h.redirects[source]
	return to, ok
}

func (h *rules) Refused(s *delivery.Selection, _ time.Time) (why delivery.Refusal, ok bool) {
	for _, r := range h.refused {
		if r.matches(s) {
			return r.Refusal, true
		}
	}
	return why, false
}

func (h *rules) Paused(s *delivery.Selection, now time.Time) (longest delivery.Pause, ok bool) {
	for _, p := range h.paused {
		if !p.matches(s) || !p.until.IsZero() && !now.Before(p.until) {
			continue
		}
		if !ok || p.until.IsZero() || !longest.Until.IsZero() && p.until.After(longest.Until) {
			longest = delivery.Pause{ID: p.id, Rule: "pause", Tag: p.tag, Source: p.source.IsValid(), Target: p.target.IsValid(),
				Until: p.until}
			ok = true
		}
	}
	return longest, ok
}

func (h *rules) Pool(name string) []netip.Addr { return h.pools[name] }

func (h *rules) Respond(s *delivery.Selection, m *queue.Message, r *queue.Result, text string) (d delivery.Decision) {
	if h.respond != nil {
		return h.respond(s, m, r, text)
	}
	return d
}

// steeringSwitch has the rules that a world is steered by; change puts others in force.
type steeringSwitch struct {
	w       *world
	current atomic.Pointer[rules]
}

// steeredBy gives a world rules that can be changed.
func (w *world) steeredBy(h *rules) *steeringSwitch {
	wh := &steeringSwitch{w: w}
	wh.current.Store(h)
	w.Steering = func() delivery.Steering {
		if h := wh.current.Load(); h != nil {
			return h
		}
		return nil
	}
	return wh
}

func (wh *steeringSwitch) change(h *rules) {
	wh.current.Store(h)
	wh.w.Steered()
}

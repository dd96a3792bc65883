package delivery

import (
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// verdict is what was decided about a message before it has a path. The zero verdict lets it go.
type verdict struct {
	result *queue.Result // finishes it, or puts it off
	pause  *Pause        // holds it
}

func (v verdict) goes() bool { return v.result == nil && v.pause == nil }

// forNow reports whether the message is refused with 4yz, so that it is tried again.
func (v verdict) forNow() bool { return v.result != nil && v.result.Code/100 == 4 }

// refused is the result of a message that a rule decided against.
func refused(state queue.ResultState, why *Refusal) queue.Result {
	return queue.Result{State: state, Result: queue.Error, Code: why.Code, Status: why.Status,
		Description: why.Description}
}

// ruling asks whether what sel describes may go.
func ruling(s Steering, sel *Selection, now time.Time) verdict {
	if p, ok := s.Paused(sel, now); ok {
		pause := p // so that only this is on the heap
		return verdict{pause: &pause}
	}
	if why, ok := s.Refused(sel, now); ok {
		result := refused(queue.StateProcess, &why)
		return verdict{result: &result}
	}
	return verdict{}
}

// sooner reports whether the time a comes before b, where zero means never.
func sooner(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// redirect returns where mail leaves from instead of source. It counts nothing where that can be.
func redirect(s Steering, source netip.Addr, domain string, now time.Time) (netip.Addr, bool) {
	if f, ok := s.(Foreteller); ok {
		to, rules := f.Redirects(source, domain, now)
		return to, len(rules) > 0
	}
	return s.Redirect(source, domain, now)
}

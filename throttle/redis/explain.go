package redis

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// Explain tells what governs a path, and what holds it back now; see throttle.Explainer. Where other instances have
// used a limit up, that is what the time says.
func (t *Throttler) Explain(path throttle.Path, targets ...netip.Addr) throttle.Explanation {
	e := t.local.Explain(path, targets...)
	limits := t.local.Limits(path)
	t.bind(&e, limits, "p:"+path.String(), &limits.Domain)
	for _, target := range targets {
		t.bind(&e, limits, "t:"+target.Unmap().WithZone("").String(), &limits.Target)
	}
	slices.SortStableFunc(e.Binding, func(a, b throttle.Binding) int {
		if a.Until.IsZero() != b.Until.IsZero() {
			if a.Until.IsZero() {
				return -1
			}
			return 1
		}
		return b.Until.Compare(a.Until)
	})
	return e
}

// bind adds what the lanes of an account hold back.
func (t *Throttler) bind(e *throttle.Explanation, limits *throttle.Limits, name string, rates *throttle.Rates) {
	t.accounts.mu.Lock()
	a := t.accounts.all[name]
	t.accounts.mu.Unlock()
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now, share := t.now(), t.share()
	for _, x := range []struct {
		letter byte
		limit  int64
		name   string
	}{{laneMessages, rates.Messages, "maxmessages"}, {laneBytes, rates.Bytes, "maxbytes"},
		{laneConnects, rates.Connects, "maxconnects"},
		{laneSlots, int64(rates.Connections), "maxconnections"}} {
		if x.limit <= 0 {
			continue
		}
		b := throttle.Binding{Limit: a.prefix + x.name, Rule: limits.Origin[a.prefix+x.name]}
		wait := a.lane(x.letter, x.limit, now).binds(share, now)
		if wait <= 0 {
			continue
		}
		if wait != untilClose {
			b.Until = time.Now().Add(wait)
		}
		if b.Rule == "" {
			b.Rule = "configuration"
		}
		e.Binding = slices.DeleteFunc(e.Binding, func(old throttle.Binding) bool {
			return old.Limit == b.Limit && !old.Until.IsZero() && (b.Until.IsZero() || old.Until.Before(b.Until))
		})
		if !slices.ContainsFunc(e.Binding, func(old throttle.Binding) bool { return old.Limit == b.Limit }) {
			e.Binding = append(e.Binding, b)
		}
	}
}

// binds is the wait of a lane, without asking for anything.
func (l *lane) binds(share float64, now int64) time.Duration {
	switch {
	case l.kind == kindSlots:
		if share == 0 && l.hungry && l.account.used >= l.held {
			return untilClose
		}
	case share > 0:
		return l.fallen(share, now)
	case l.have <= 0 && l.later > now:
		return time.Duration(l.later-now) + retryAfter
	}
	return 0
}

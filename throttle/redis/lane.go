package redis

import (
	"math"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// lease is units that may be spent here.
type lease struct {
	units   int64
	expires int64 // as Throttler.now
	epoch   int64 // of the store
	until   int64 // to give it back with
	mark    int64 // likewise
}

// lane is the share in one rate of one account. The account's lock guards it.
type lane struct {
	account *account
	kind    byte
	limit   int64
	key     string
	name    string // of the limit, as in the settings

	leases []lease // oldest first
	have   int64   // units of them
	lapsed []lease // not spent in time, to be given back
	want   int64   // units that the next request asks for
	need   int64   // least that is of use
	hungry bool    // units are wanted
	dry    bool    // somebody was refused since the last lease
	asked  bool    // a request is under way
	later  int64   // asking before is of no use

	next       int64 // while limits cannot be shared: theoretical arrival time
	spent      int64 // when the last unit was; zero: never
	undeclared bool  // the store does not know of it

	// Of slots.
	held    int64 // connections that may be had
	pressed bool  // others go short
	freed   int64 // when one was closed
	polls   int   // in vain

	waiting throttle.PathSet

	at    int64 // when the loop is to look at it; guarded by the loop's lock
	index int   // in the loop's heap, counted from 1
}

// maxLapsed bounds what is remembered to be given back.
const maxLapsed = 4

// expire moves leases whose time is over.
func (l *lane) expire(now int64) {
	n := 0
	for n < len(l.leases) && l.leases[n].expires <= now {
		l.have -= l.leases[n].units
		if len(l.lapsed) < maxLapsed && l.leases[n].units > 0 {
			l.lapsed = append(l.lapsed, l.leases[n])
		}
		n++
	}
	if n > 0 {
		l.leases = l.leases[:copy(l.leases, l.leases[n:])]
		l.want = max(1, l.want/2)
	}
}

// lacks returns what holds up n units, zero if nothing does; otherwise they are asked for, and path is told when they
// come. A share that is not zero goes without leases.
func (l *lane) lacks(t *Throttler, share float64, n, now int64, path throttle.Path) time.Duration {
	if share > 0 {
		return l.fallen(share, now)
	}
	l.expire(now)
	if l.have >= n {
		return 0
	}
	l.waiting.Add(path)
	if !l.hungry {
		l.hungry, l.need = true, n
	}
	l.dry = true
	l.need = min(l.need, n)
	l.want = max(l.want, n)
	if !l.asked {
		t.loop.schedule(l, max(now, l.later))
	}
	return max(time.Duration(l.later-now), 0) + retryAfter
}

// retryAfter is when to look again for an answer that has not come: Changed tells when it does.
const retryAfter = 250 * time.Millisecond

// most is what one request asks for at most: what the look-ahead has room for.
func (l *lane) most(n int64) int64 {
	return max(n, 1+int64(float64(l.limit)*float64(lookAhead)/float64(time.Minute)))
}

// take spends n units that lacks found to be there.
func (l *lane) take(t *Throttler, share float64, n, now int64) (from lease) {
	l.spent = now
	if share > 0 {
		l.undeclared = true
		if share < 1 {
			l.next = max(l.next, now) + fallCost(n, l.limit, share)
		}
		return lease{epoch: fallen, until: l.next}
	}
	if n == 0 {
		return from
	}
	from = l.leases[0]
	from.units = 0
	l.have -= n
	for n > 0 {
		first := &l.leases[0]
		spent := min(n, first.units)
		first.units -= spent
		n -= spent
		if first.units == 0 {
			l.leases = l.leases[:copy(l.leases, l.leases[1:])]
		}
	}
	if !l.hungry && !l.asked && now >= l.later && l.have < l.want/2 && l.most(0) > 2 {
		l.hungry, l.need = true, 1
		t.loop.schedule(l, now)
	}
	return from
}

// putBack returns n units that were not spent after all.
func (l *lane) putBack(t *Throttler, from lease, n, now int64) {
	switch {
	case from.epoch == fallen:
		if share := t.share(); share > 0 && share < 1 {
			l.next -= max(0, min(from.until-now, fallCost(n, l.limit, share)))
		}
	case from.epoch != 0:
		from.units = n
		at := 0
		for at < len(l.leases) && l.leases[at].expires < from.expires {
			at++
		}
		l.leases = append(l.leases, lease{})
		copy(l.leases[at+1:], l.leases[at:])
		l.leases[at] = from
		l.have += n
		t.loop.schedule(l, from.expires)
	}
}

// fallen marks units that were spent without a lease.
const fallen = -1

// fallen is lacks without leases: units are spaced as this instance's share of the limit.
func (l *lane) fallen(share float64, now int64) time.Duration {
	if share >= 1 {
		return 0
	}
	if l.spent > 0 && l.next == 0 {
		l.next = l.spent + fallCost(1, l.limit, share)
	}
	return max(0, time.Duration(l.next-tolerance(l.limit, share)-now))
}

// fallCost is the time that n units take in a share of the limit.
func fallCost(n, limit int64, share float64) int64 {
	return int64(min(math.Ceil(float64(n)*float64(int64(time.Minute)+tolerance(limit, share))/(float64(limit)*share)),
		float64(24*time.Hour)))
}

// tolerance is how much too early a unit may be then, so that callers who are late now and then reach their rate; the
// spacing is larger by as much, as it is in package local.
func tolerance(limit int64, share float64) int64 {
	perUnit := float64(30*time.Second) / (float64(limit) * share)
	return int64(min(max(perUnit, float64(10*time.Millisecond)), float64(300*time.Millisecond)))
}

// request makes the next request, if there is anything to ask.
func (l *lane) request(t *Throttler, now int64) (o op, ok bool) {
	if l.kind == kindSlots {
		return l.requestSlots(t, now)
	}
	l.expire(now)
	o = op{lane: l, key: l.key, kind: l.kind, limit: l.limit, age: -1}
	if l.asked {
		return o, false
	}
	for len(l.lapsed) > 0 && o.back.units == 0 {
		if last := l.lapsed[len(l.lapsed)-1]; last.epoch == t.loop.epoch {
			o.back = last
		}
		l.lapsed = l.lapsed[:len(l.lapsed)-1]
	}
	if l.undeclared {
		if since := now - l.spent; since < int64(time.Minute+2*leaseLife) {
			o.age = since / int64(time.Microsecond)
		}
		l.undeclared = l.undeclared && t.share() > 0
	}
	if l.hungry && now >= l.later && t.share() == 0 {
		o.want, o.need = l.want, l.need
	}
	l.asked = o.want > 0 || o.back.units > 0 || o.age >= 0
	return o, l.asked
}

// answered takes in the answer to a request that was sent at a time, and returns whom to tell.
func (l *lane) answered(t *Throttler, o *op, a answer, sent, now int64) (tell throttle.PathSet) {
	if l.kind == kindSlots {
		return l.answeredSlots(t, o, a, now)
	}
	l.asked = false
	if o.want > 0 && a.granted > 0 {
		l.leases = append(l.leases, lease{units: a.granted, expires: sent + int64(leaseLife), epoch: t.loop.epoch,
			until: a.until, mark: a.mark})
		l.have += a.granted
		l.hungry = false
		if l.dry { // ask for more the next time
			l.want, l.dry = min(2*l.want, l.most(l.need)), false
		}
		tell = l.waiting.Take()
		t.loop.schedule(l, sent+int64(leaseLife))
	}
	l.later = now + int64(a.hint)
	if l.hungry {
		t.loop.schedule(l, l.later)
	} else if len(l.lapsed) > 0 {
		t.loop.schedule(l, now)
	}
	return tell
}

// rests reports whether there is nothing to remember.
func (l *lane) rests(now int64) bool {
	return len(l.leases) == 0 && len(l.lapsed) == 0 && !l.asked && l.held == 0 && l.waiting.Empty() &&
		(l.spent == 0 || now-l.spent > int64(time.Minute+2*leaseLife)) && l.next <= now
}

package redis

import (
	"time"

	"github.com/sluicemail/sluice/throttle"
)

const (
	slotRenew  = 4 * time.Second        // while connections are held
	slotKeep   = time.Second            // a slot that came free is kept for another connection
	firstPoll  = 250 * time.Millisecond // after asking in vain, doubled up to slotRenew
	maxAtOnce  = 16                     // slots asked for at once
	untilClose = time.Hour              // the wait for a limit that only a Close lifts
)

// slotLacks is lacks for one more connection.
func (l *lane) slotLacks(t *Throttler, share float64, now int64, path throttle.Path) time.Duration {
	room := l.held
	if share > 0 {
		room = max(l.held, 1, int64(float64(l.limit)*share))
	}
	if l.account.used < room {
		return 0
	}
	l.waiting.Add(path)
	if !l.hungry {
		l.hungry, l.polls = true, 0
		l.want = min(max(2*l.want, 1), maxAtOnce, max(1, l.limit-l.held))
		t.loop.schedule(l, now)
	}
	return untilClose
}

// closed tells that a connection of the account ended, and whom to tell.
func (l *lane) closed(t *Throttler, now int64) (tell throttle.PathSet) {
	l.freed, l.want = now, 0
	if l.pressed && t.share() == 0 {
		l.held = min(l.held, l.account.used)
		t.loop.schedule(l, now)
		return throttle.PathSet{}
	}
	t.loop.schedule(l, now+int64(slotKeep))
	return l.waiting.Take()
}

// requestSlots says how many connections there are and are wanted. What is given back counts as gone from here on.
func (l *lane) requestSlots(t *Throttler, now int64) (o op, ok bool) {
	used := l.account.used
	if l.asked || used == 0 && l.held == 0 && !l.hungry {
		return o, false
	}
	o = op{lane: l, key: l.key, kind: l.kind, limit: l.limit, need: used, age: -1}
	switch spare := l.held - used; {
	case l.hungry && t.share() == 0:
		o.want = max(l.want, spare)
	case !l.pressed && now-l.freed < int64(slotKeep):
		o.want = max(0, spare)
	}
	l.held = min(l.held, o.need+o.want)
	l.asked = true
	return o, true
}

func (l *lane) answeredSlots(t *Throttler, o *op, a answer, now int64) (tell throttle.PathSet) {
	l.asked = false
	before := l.held
	l.held, l.pressed = a.granted, a.mark != 0
	next := int64(slotRenew)
	switch {
	case l.held > max(before, o.need):
		l.hungry = false
		tell = l.waiting.Take()
	case l.hungry:
		next = min(next, int64(firstPoll)<<min(l.polls, 8))
		l.polls++
	case l.held > l.account.used:
		next = int64(slotKeep)
	}
	if l.held > 0 || l.hungry || l.account.used > 0 {
		t.loop.schedule(l, now+next)
	}
	return tell
}

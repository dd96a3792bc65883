package delivery

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// idleList has the idle connections of a path. The last to become idle is the first to work again, so that the others
// can end.
type idleList []idler

// idler is an idle connection.
type idler struct {
	c        *connection
	target   netip.Addr
	since    time.Time
	pausedTo time.Time     // given no work before
	because  throttle.Wait // why
}

// push adds a connection, unless so many are idle as may be, or as may be at its target; zero: any number. It is given
// no work for as long as the wait says that it was told.
func (l *idleList) push(c *connection, target netip.Addr, wait throttle.Wait, most, mostAtTarget int) bool {
	i := idler{c: c, target: target, since: time.Now(), because: wait}
	if most > 0 && len(*l) >= most || mostAtTarget > 0 && l.at(i.target) >= mostAtTarget {
		return false
	}
	if wait.For > 0 {
		i.pausedTo = i.since.Add(wait.For)
	}
	*l = append(*l, i)
	return true
}

// at is how many are idle at a target.
func (l *idleList) at(target netip.Addr) (n int) {
	for _, i := range *l {
		if i.target == target {
			n++
		}
	}
	return n
}

// remove takes a connection out; false when it is not there any more.
func (l *idleList) remove(c *connection) bool {
	before := len(*l)
	*l = slices.DeleteFunc(*l, func(i idler) bool { return i.c == c })
	return len(*l) < before
}

// takeIf takes out the connections of which something holds.
func (l *idleList) takeIf(holds func(*connection) bool) (taken []*connection) {
	*l = slices.DeleteFunc(*l, func(i idler) bool {
		if !holds(i.c) {
			return false
		}
		taken = append(taken, i.c)
		return true
	})
	return taken
}

// next takes the connection out that became idle last and may work; nil when there is none.
func (l *idleList) next(now time.Time) *connection {
	for k, i := range slices.Backward(*l) {
		if !now.Before(i.pausedTo) {
			*l = slices.Delete(*l, k, k+1)
			return i.c
		}
	}
	return nil
}

// oldest returns the connection that has been idle longest, and since when; nil when none is.
func (l *idleList) oldest() (*connection, time.Time) {
	if len(*l) == 0 {
		return nil, time.Time{}
	}
	return (*l)[0].c, (*l)[0].since
}

// look has all of them work again.
func (l *idleList) look() {
	for k := range *l {
		(*l)[k].pausedTo = time.Time{}
	}
}

// limitAt returns the limit on a target address that a connection to it waits for, for as long as it still does; the
// zero Wait: none.
func (l *idleList) limitAt(target netip.Addr, now time.Time) (wait throttle.Wait) {
	for _, i := range *l {
		if left := i.pausedTo.Sub(now); left > 0 && i.target == target {
			wait = i.because
			wait.For = left
			return wait
		}
	}
	return wait
}

// binding returns, of the limits that the connections wait for, the one that ends first; free says that a connection
// waits for none.
func (l *idleList) binding(now time.Time) (wait throttle.Wait, until time.Time, free bool) {
	for _, i := range *l {
		if !now.Before(i.pausedTo) {
			free = true
		} else if sooner(i.pausedTo, until) {
			wait, until = i.because, i.pausedTo
		}
	}
	return wait, until, free
}

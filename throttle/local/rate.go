package local

import (
	"math"
	"math/bits"
	"time"
)

const (
	minTolerance = 10 * time.Millisecond
	maxTolerance = 300 * time.Millisecond
)

// rate spaces events so that there are never more than perMinute in any minute; see the package's story.
type rate struct {
	perMinute int64 // never changes
	next      int64 // when all events so far are paid for, as Throttler.now: the theoretical arrival time
	returned  int64 // sum of all that was given back
}

// ticket remembers an event, so that it can be given back. The zero ticket remembers none.
type ticket struct {
	rate     *rate
	until    int64 // rate.next after it
	cost     int64
	returned int64
}

// wait returns how long it is until the next event may happen.
func (r *rate) wait(now int64) time.Duration {
	return time.Duration(max(0, r.next-tolerance(r.perMinute)-now))
}

// take counts an event of n units.
func (r *rate) take(n, now int64) ticket {
	t := ticket{rate: r, cost: cost(n, r.perMinute), returned: r.returned}
	r.next = max(r.next, now) + t.cost
	t.until = r.next
	return t
}

// giveBack undoes take, as far as the time that the event takes has not passed yet: what has passed cannot be used
// again without a minute becoming too full. It reports whether anything was left to give back.
func (t ticket) giveBack(now int64) bool {
	if t.rate == nil {
		return false
	}
	// What was given back since may have been before this event, and has then moved it.
	until := t.until - (t.rate.returned - t.returned)
	back := min(until-now, t.cost)
	if back <= 0 {
		return false
	}
	t.rate.next -= back
	t.rate.returned += back
	return true
}

// maxRates bounds the different rates that one account keeps.
const maxRates = 4

// rates are those that an account was used with. A path has one at a time; the paths that share a target may have
// different ones, and each keeps to its own.
type rates []*rate

// at returns the rate of perMinute. A new one begins with what another still owes, in units instead of time: a raised
// limit works at once, and a lowered one starts no burst.
func (rs *rates) at(perMinute, now int64) *rate {
	for _, r := range *rs {
		if r.perMinute == perMinute {
			return r
		}
	}
	r := &rate{perMinute: perMinute}
	oldest := 0
	for i, other := range *rs {
		if owed := float64(other.next - now); owed > 0 {
			owed = math.Ceil(owed * float64(other.perMinute) / float64(perMinute))
			r.next = max(r.next, now+int64(min(owed, float64(maxCost))))
		}
		if other.next < (*rs)[oldest].next {
			oldest = i
		}
	}
	if len(*rs) < maxRates {
		*rs = append(*rs, r)
	} else {
		(*rs)[oldest] = r
	}
	return r
}

// rests reports whether all is paid for.
func (rs rates) rests(now int64) bool {
	for _, r := range rs {
		if r.next > now {
			return false
		}
	}
	return true
}

// maxCost bounds what one event costs.
const maxCost = 24 * time.Hour

// tolerance is how much too early an event may be, in nanoseconds.
func tolerance(perMinute int64) int64 {
	return min(max(int64(30*time.Second)/perMinute, int64(minTolerance)), int64(maxTolerance))
}

// cost returns the time that n units take, in nanoseconds, rounded up: N events spaced by it take a minute and the
// tolerance.
func cost(n, perMinute int64) int64 {
	if n <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(n), uint64(int64(time.Minute)+tolerance(perMinute)))
	lo, carry := bits.Add64(lo, uint64(perMinute-1), 0)
	hi += carry
	if hi >= uint64(perMinute) {
		return int64(maxCost)
	}
	quotient, _ := bits.Div64(hi, lo, uint64(perMinute))
	return int64(min(quotient, uint64(maxCost)))
}

package throttletest

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// Sharing says what a throttler that shares its counts may take for it.
type Sharing struct {
	// Loss is the part of a rate that may go unused, as in 0.03.
	Loss float64
	// Patience is how long a caller who is refused waits for the others' consent before the refusal counts.
	Patience time.Duration
}

// RunShared is [Run] for a throttler that shares its counts, and so has to ask elsewhere before mail may go: callers
// are patient, and rates may fall short by a little. They may never be exceeded.
func RunShared(t *testing.T, newThrottler New, s Sharing) {
	t.Helper()
	cases(t, func(t *testing.T, limits throttle.Limits) throttle.Throttler {
		return &patient{Throttler: newThrottler(t, limits), Sharing: s}
	})
}

func loss(th throttle.Throttler) float64 {
	if p, ok := th.(*patient); ok {
		return p.Loss
	}
	return 0
}

// patient asks again before it takes no for an answer.
type patient struct {
	throttle.Throttler
	Sharing
	asking atomic.Int32
}

// persist asks until the answer is yes, or patience ends.
func (p *patient) persist(ask func() throttle.Wait) throttle.Wait {
	p.asking.Add(1)
	defer p.asking.Add(-1)
	for end := time.Now().Add(p.Patience); ; {
		wait := ask()
		left := time.Until(end)
		if wait.For <= 0 || left <= 0 || wait.Limit == "pause" || wait.Limit == "connection_maxmessages" ||
			wait.Limit == "connection_maxbytes" {
			return wait
		}
		time.Sleep(min(left, max(wait.For, time.Millisecond), 2*time.Millisecond))
	}
}

func (p *patient) Connect(path throttle.Path, target netip.Addr) (throttle.Conn, throttle.Wait) {
	var c throttle.Conn
	wait := p.persist(func() (wait throttle.Wait) {
		c, wait = p.Throttler.Connect(path, target)
		return wait
	})
	if c == nil {
		return nil, wait
	}
	return &patientConn{Conn: c, p: p}, wait
}

// Changed leaves out what is told to a caller who is asking all the time.
func (p *patient) Changed(f func(throttle.Path)) {
	p.Throttler.Changed(func(path throttle.Path) {
		if p.asking.Load() == 0 {
			f(path)
		}
	})
}

// explainer returns what a throttler explains with, if it does.
func explainer(th throttle.Throttler) (e throttle.Explainer, ok bool) {
	if p, shared := th.(*patient); shared {
		th = p.Throttler
	}
	e, ok = th.(throttle.Explainer)
	return e, ok
}

type patientConn struct {
	throttle.Conn
	p *patient
}

func (c *patientConn) Send(size int64) throttle.Wait {
	return c.p.persist(func() throttle.Wait { return c.Conn.Send(size) })
}

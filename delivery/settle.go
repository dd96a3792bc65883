package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// settler does what may have to wait for the queue: settling, releasing, parking, unparking. Connections and the queue's
// own goroutine hand their work over and go on. What is handed over is bounded by the engine's prefetch, as every task but
// the few unparkings holds a delivery.
type settler struct {
	e       *Engine
	mu      sync.Mutex
	work    sync.Cond
	tasks   []task // a ring would save copying; batches are taken whole instead
	idle    int
	workers int
	closing bool
	done    sync.WaitGroup
}

// settlers is the largest number of goroutines that wait for the queue: a broker confirms each publish after a round trip.
const settlers = 64

// task is one thing to do; one of its parts is set.
type task struct {
	j          *job
	do         action
	successors []queue.Item
	key        string // to park under
	unpark     *unparking
	call       func()
}

type action uint8

const (
	doSettle action = iota
	doRelease
	doPark
)

// unparking asks for messages parked under some domains: for a path, or, when that is nil, for the look-ups.
type unparking struct {
	p       *path
	domains []string
	n       int
	again   func(domain string)
}

func (s *settler) init(e *Engine) {
	s.e = e
	s.work.L = &s.mu
}

func (s *settler) add(t task) {
	s.mu.Lock()
	s.tasks = append(s.tasks, t)
	switch {
	case s.idle > 0:
		s.work.Signal()
	case s.workers < settlers:
		s.workers++
		s.done.Add(1)
		go s.run()
	}
	s.mu.Unlock()
}

// run works off tasks until the settler closes.
func (s *settler) run() {
	defer s.done.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.tasks) == 0 {
			if s.closing {
				return
			}
			s.idle++
			s.work.Wait()
			s.idle--
		}
		t := s.tasks[0]
		s.tasks[0] = task{}
		s.tasks = s.tasks[1:]
		s.mu.Unlock()
		s.perform(t)
		s.mu.Lock()
	}
}

// finish waits until everything is done.
func (s *settler) finish() {
	s.mu.Lock()
	s.closing = true
	s.work.Broadcast()
	s.mu.Unlock()
	s.done.Wait()
}

func (s *settler) perform(t task) {
	switch {
	case t.call != nil:
		t.call()
	case t.unpark != nil:
		s.e.unpark(t.unpark)
	default:
		s.finishJob(t)
	}
}

// finishJob repeats the task while the queue cannot do it. At the end of the engine it gives up: the message stays in
// the queue.
func (s *settler) finishJob(t task) {
	delay := 100 * time.Millisecond
	for {
		err := s.attempt(t)
		if err == nil {
			break
		}
		if errors.Is(err, queue.ErrClosed) || errors.Is(err, queue.ErrSettled) || s.e.ctx.Err() != nil {
			s.e.Logger.Error("a message could not be settled", "id", t.j.m.ID, "error", err)
			break
		}
		s.e.Logger.Warn("settling a message failed; trying again", "id", t.j.m.ID, "error", err, "in", delay)
		select {
		case <-time.After(delay):
		case <-s.e.ctx.Done():
		}
		delay = min(2*delay, 10*time.Second)
	}
	s.e.held.Add(-1)
	if t.do == doPark {
		s.e.observe(monitor.Event{Kind: monitor.Parked, Domain: t.j.domain, Tags: t.j.m.Tags, Text: t.key})
	} else {
		s.e.observe(monitor.Event{Kind: monitor.Left, Domain: t.j.domain, Tags: t.j.m.Tags})
	}
}

// settleTime bounds one call of the queue.
const settleTime = time.Minute

func (s *settler) attempt(t task) error {
	// Not the engine's own context: what is done must be recorded although the engine breaks off.
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	switch t.do {
	case doRelease:
		return t.j.d.Release(ctx)
	case doPark:
		if parker, ok := s.e.Queue.(queue.Parker); ok {
			return parker.Park(ctx, t.j.d, t.key)
		}
		return s.postpone(ctx, t)
	default:
		return t.j.d.Settle(ctx, t.successors...)
	}
}

// unparkable is how long a message waits that an engine without parking was to park.
const unparkable = 30 * time.Second

// postpone stands in for parking where the queue has none: the message comes back a little later.
func (s *settler) postpone(ctx context.Context, t task) error {
	later := *t.j.m
	later.NextAttempt = time.Now().Add(unparkable).UTC().Truncate(time.Second)
	return t.j.d.Settle(ctx, queue.Item{Queue: s.e.Names.Outbox, Message: &later})
}

func (e *Engine) settle(j *job, successors []queue.Item) {
	e.settler.add(task{j: j, do: doSettle, successors: successors})
}

func (e *Engine) release(j *job) { e.settler.add(task{j: j, do: doRelease}) }

// park sets a message aside under its recipient domain.
func (e *Engine) park(j *job, why string) {
	e.settler.add(task{j: j, do: doPark, key: j.domain})
}

// unpark fetches up to n messages, taking the domains in turn.
func (e *Engine) unpark(u *unparking) {
	parker, ok := e.Queue.(queue.Parker)
	ctx, cancel := context.WithTimeout(e.ctx, settleTime)
	defer cancel()
	total := 0
	var empty []string
	for i, domain := range u.domains {
		share := max(1, (u.n-total)/(len(u.domains)-i))
		n := 0
		var err error
		if ok {
			n, err = parker.Unpark(ctx, e.Names.Outbox, domain, share)
		}
		total += n
		if err == nil && n < share {
			empty = append(empty, domain)
		} else if u.again != nil {
			u.again(domain)
		}
	}
	if u.p != nil {
		u.p.unparked(total, empty)
	}
}

// unparked notes how many messages are on their way, and which domains have no more.
func (p *path) unparked(n int, empty []string) {
	p.mu.Lock()
	p.asking = false
	p.expected += n
	for _, domain := range empty {
		delete(p.parked, domain)
	}
	p.advance()
	p.mu.Unlock()
}

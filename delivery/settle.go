package delivery

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// settler does what may have to wait for the queue: settling, releasing, parking, unparking. Connections and the
// queue's own goroutine hand their work over and go on. What is handed over is bounded by the engine's prefetch, as
// every job holds a delivery; calls are few.
type settler struct {
	e   *Engine
	ctx context.Context // of every call of the queue; ends a while after the engine's
	cut context.CancelFunc

	backlog atomic.Int64 // jobs that were added and have not ended

	mu      sync.Mutex
	work    sync.Cond
	jobs    jobList
	calls   []func()
	failed  []*job // the queue could not do it; tried again when due
	timer   *time.Timer
	timerAt time.Time // zero: not set
	failing bool      // said so in the log
	idle    int
	workers int
	closing bool
	left    int // given up at the end
	done    sync.WaitGroup
}

// settlers is the largest number of goroutines that wait for the queue: a broker confirms each publish after a round
// trip.
const settlers = 64

// action is how a job ends.
type action uint8

const (
	doSettle action = iota
	doRelease
	doPark
)

func (s *settler) init(e *Engine) {
	s.e = e
	s.ctx, s.cut = context.WithCancel(context.Background())
	s.work.L = &s.mu
	s.timer = time.AfterFunc(time.Hour, s.again)
	s.timer.Stop()
}

// add has a job ended as it says.
func (s *settler) add(j *job) {
	s.backlog.Add(1)
	s.mu.Lock()
	s.jobs.pushBack(j)
	s.wake()
	s.mu.Unlock()
}

// call has f called.
func (s *settler) call(f func()) {
	s.mu.Lock()
	s.calls = append(s.calls, f)
	s.wake()
	s.mu.Unlock()
}

// wake sees to it that somebody works. Workers become more only while work heaps up: a queue that answers at once needs
// few of them. s.mu is held.
func (s *settler) wake() {
	switch {
	case s.idle > 0:
		s.work.Signal()
	case s.workers < settlers && s.jobs.n+len(s.calls) > s.workers:
		s.workers++
		s.done.Add(1)
		go s.run()
	}
}

// run works until the settler closes and nothing is left.
func (s *settler) run() {
	defer s.done.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case len(s.calls) > 0:
			f := s.calls[0]
			s.calls = s.calls[1:]
			s.mu.Unlock()
			f()
			s.mu.Lock()
		case s.jobs.n > 0:
			j := s.jobs.popFront()
			s.mu.Unlock()
			err := s.attempt(j)
			if err == nil {
				s.ended(j)
			}
			s.mu.Lock()
			s.noteTry(j, err)
		case s.closing && len(s.failed) == 0:
			s.workers--
			s.work.Broadcast()
			return
		default:
			s.idle++
			s.work.Wait()
			s.idle--
		}
	}
}

// attempt asks the queue to end a job as it says.
func (s *settler) attempt(j *job) error {
	switch j.do {
	case doRelease:
		return j.d.Release(s.ctx)
	case doPark:
		if parker, ok := s.e.Queue.(queue.Parker); ok {
			return parker.Park(s.ctx, j.d, j.parkedUnder())
		}
		return s.postpone(j)
	default:
		err := j.d.Settle(s.ctx, j.successors...)
		if err != nil && s.e.amend(j, err) {
			return j.d.Settle(s.ctx, j.successors...)
		}
		return err
	}
}

// unparkable is how long a message waits that an engine without parking was to park.
const unparkable = 30 * time.Second

// postpone stands in for parking where the queue has none: the message comes back a little later.
func (s *settler) postpone(j *job) error {
	later := *j.m
	later.NextAttempt = time.Now().Add(unparkable)
	return j.d.Settle(s.ctx, queue.Item{Queue: s.e.Names.Outbox, Message: &later})
}

// The delay between tries doubles from the first to the last.
const (
	firstTry = 100 * time.Millisecond
	lastTry  = 10 * time.Second
)

// noteTry notes what became of a try. A job that failed is tried again until the engine breaks off: then the message
// stays in the queue. s.mu is held.
func (s *settler) noteTry(j *job, err error) {
	switch {
	case err == nil:
		if s.failing && len(s.failed) == 0 {
			s.failing = false
			s.e.Logger.Info("settling messages works again")
		}
	case errors.Is(err, queue.ErrClosed), errors.Is(err, queue.ErrSettled), s.e.ctx.Err() != nil:
		if s.left++; s.left == 1 {
			s.e.Logger.Error("a message could not be settled and stays in the queue", "id", j.m.ID, "error", err)
		}
		s.mu.Unlock()
		s.ended(j)
		s.mu.Lock()
	default:
		if !s.failing {
			s.failing = true
			s.e.Logger.Warn("settling a message failed; trying again", "id", j.m.ID, "error", err)
		}
		delay := min(firstTry<<min(j.tries, 10), lastTry)
		j.tries++
		j.due = time.Now().Add(delay)
		s.failed = append(s.failed, j)
		s.tryAt(j.due)
	}
}

// tryAt sets the timer, unless it rings earlier. s.mu is held.
func (s *settler) tryAt(t time.Time) {
	if s.timerAt.IsZero() || t.Before(s.timerAt) {
		s.timerAt = t
		s.timer.Reset(time.Until(t))
	}
}

// again lets the failed jobs that are due be tried again.
func (s *settler) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timerAt = time.Time{}
	now := time.Now()
	waiting := s.failed[:0]
	for _, j := range s.failed {
		if !now.Before(j.due) || s.e.ctx.Err() != nil {
			s.jobs.pushBack(j)
			s.wake()
			continue
		}
		waiting = append(waiting, j)
		s.tryAt(j.due)
	}
	clear(s.failed[len(waiting):])
	s.failed = waiting
}

// ended counts a job out of memory.
func (s *settler) ended(j *job) {
	j.unfetch()
	s.backlog.Add(-1)
	s.e.inMemory.Add(-1)
	domain, tags := j.told()
	if j.do == doPark {
		s.e.parked(j)
		s.e.observe(monitor.Event{Kind: monitor.Parked, Domain: domain, Tags: tags, Text: j.why})
	} else {
		s.e.observe(monitor.Event{Kind: monitor.Left, Domain: domain, Tags: tags})
	}
}

// settleGrace is how long the queue has for what is done already, when everything else broke off.
const settleGrace = 5 * time.Second

// finish waits until everything is done. Nothing is added any more but by the workers themselves.
func (s *settler) finish() {
	s.mu.Lock()
	s.closing = true
	s.work.Broadcast()
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.done.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-s.e.ctx.Done():
		s.again()
		grace := time.AfterFunc(settleGrace, s.cut)
		<-done
		grace.Stop()
	}
	s.timer.Stop()
	s.cut()
	if s.left > 1 {
		s.e.Logger.Error("messages could not be settled and stay in the queue", "count", s.left)
	}
}

// settle replaces a message by its successors.
func (e *Engine) settle(j *job, successors []queue.Item) {
	j.do, j.successors = doSettle, successors
	e.settler.add(j)
}

// release gives a message back unchanged.
func (e *Engine) release(j *job) {
	j.unfetch()
	j.do = doRelease
	e.settler.add(j)
}

// parkedUnder is the key under which a job is parked: its recipient domain, unless it waits for something else.
func (j *job) parkedUnder() string {
	if j.pauseNote != nil {
		return j.pauseNote.key
	}
	return cmp.Or(j.aside, j.domain)
}

// park sets a message aside.
func (e *Engine) park(j *job, why string) {
	j.unfetch()
	j.do, j.why = doPark, why
	e.settler.add(j)
}

// parked tells the part of the engine that had a message parked: an Unpark in the meantime has missed it.
func (e *Engine) parked(j *job) {
	if j.pauseNote != nil {
		e.pausing.note(j)
	} else if j.aside != "" {
		if outbox, _ := e.owner(j.m); outbox != "" {
			e.LookElsewhere()
		}
	} else if j.path != nil {
		j.path.adopt(j.domain)
	} else {
		e.routing.adopt(j.domain)
	}
}

// unpark fetches about n parked messages, taking the domains in turn. It returns how many are on their way, the domains
// that have no more, and an error when the queue could not be asked.
func (e *Engine) unpark(domains []string, n int) (total int, empty []string, err error) {
	parker, ok := e.Queue.(queue.Parker)
	if !ok {
		return 0, domains, nil
	}
	for i, domain := range domains {
		share := max(1, (n-total)/(len(domains)-i))
		got, err := parker.Unpark(e.settler.ctx, e.Names.Outbox, domain, share)
		if err != nil {
			return total, empty, err
		}
		total += got
		if got < share {
			empty = append(empty, domain)
		}
	}
	return total, empty, nil
}

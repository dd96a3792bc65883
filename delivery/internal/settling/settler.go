package settling

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/alarm"
	"github.com/sluicemail/sluice/delivery/internal/locks"
	"github.com/sluicemail/sluice/queue"
)

// Settler does what may have to wait for the queue. Connections and the queue's own goroutine hand their work over and
// go on. What is handed over is bounded by the engine's prefetch, as every Ending has a delivery; calls are few. All
// methods but Finished may be called at once by many, and only Stop waits.
type Settler struct {
	Queue  queue.Queue
	Names  Names
	Logger *slog.Logger
	// Ended is called when a message left memory, or when the queue could not take it until the end. It must not wait.
	Ended func(*Ending)

	ctx    context.Context // of every call of the queue; ends a while after broken
	cut    context.CancelFunc
	broken context.Context // ends when everything breaks off

	backlog atomic.Int64 // messages that were added and have not ended

	mu      locks.Mutex[locks.Leaf]
	work    sync.Cond
	jobs    endings
	calls   []func()
	failed  []retrial // the queue could not do it; tried again when due
	hurried time.Time // when hurry was last of use
	alarm   alarm.Alarm
	failing bool // said so in the log
	idle    int
	workers int
	closing bool
	left    int // given up at the end
	done    sync.WaitGroup
}

// Start has to be called before anything else. The end of broken ends tries of what failed.
func (s *Settler) Start(broken context.Context) {
	s.broken = broken
	s.ctx, s.cut = context.WithCancel(context.Background())
	s.work.L = &s.mu
	s.alarm = alarm.New(s.again)
}

// Backlog is how many messages were handed over and are still in memory.
func (s *Settler) Backlog() int { return int(s.backlog.Load()) }

// Settle replaces a message by its successors.
func (s *Settler) Settle(x *Ending, successors ...queue.Item) {
	x.do, x.successors = doSettle, successors
	s.add(x)
}

// Finish replaces a message by what is published of it in the end.
func (s *Settler) Finish(x *Ending, outcome Outcome) {
	s.Settle(x, append(s.Names.finished(x, outcome), s.Names.noticed(x)...)...)
}

// Retry puts a message back into the outbox, as again, and publishes its retry.
func (s *Settler) Retry(x *Ending, again *queue.Message) {
	s.Settle(x, append(s.Names.retried(x, again), s.Names.noticed(x)...)...)
}

// Release gives a message back unchanged.
func (s *Settler) Release(x *Ending) {
	x.do = doRelease
	s.add(x)
}

// Park sets a message aside under a key. Where the queue cannot do that, the message comes back a little later.
func (s *Settler) Park(x *Ending, key, why string) {
	x.do, x.parking = doPark, &parking{key, why}
	s.add(x)
}

// Call has f called.
func (s *Settler) Call(f func()) {
	s.mu.Lock()
	s.calls = append(s.calls, f)
	s.wake()
	s.mu.Unlock()
}

// add has a message leave memory as it says.
func (s *Settler) add(x *Ending) {
	s.backlog.Add(1)
	s.mu.Lock()
	s.jobs.push(x)
	s.wake()
	s.mu.Unlock()
}

// settlers is the largest number of goroutines that wait for the queue: a broker confirms each publish after a round
// trip.
const settlers = 64

// wake sees to it that somebody works. Workers become more only while work heaps up: a queue that answers at once needs
// few of them. s.mu is held.
func (s *Settler) wake() {
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
func (s *Settler) run() {
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
			x := s.jobs.pop()
			s.mu.Unlock()
			err := s.attempt(x)
			if err == nil {
				s.ended(x)
			}
			s.mu.Lock()
			s.noteTry(x, err)
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
func (s *Settler) attempt(x *Ending) error {
	switch x.do {
	case doRelease:
		return x.Delivery.Release(s.ctx)
	case doPark:
		if parker, ok := s.Queue.(queue.Parker); ok {
			return parker.Park(s.ctx, x.Delivery, x.parking.key)
		}
		return s.postpone(x)
	default:
		err := x.Delivery.Settle(s.ctx, x.successors...)
		if err != nil && s.amend(x, err) {
			return x.Delivery.Settle(s.ctx, x.successors...)
		}
		return err
	}
}

// unparkable is how long a message waits that an engine without parking was to park.
const unparkable = 30 * time.Second

// postpone stands in for parking where the queue has none: the message comes back a little later.
func (s *Settler) postpone(x *Ending) error {
	later := *x.Message
	later.NextAttempt = time.Now().Add(unparkable)
	return x.Delivery.Settle(s.ctx, queue.Item{Queue: s.Names.Outbox, Message: &later})
}

// The delay between tries doubles from the first to the last.
const (
	firstTry = 100 * time.Millisecond
	lastTry  = 10 * time.Second
)

// noteTry notes what became of a try. A job that failed is tried again until the engine breaks off: then the message
// stays in the queue. s.mu is held.
func (s *Settler) noteTry(x *Ending, err error) {
	switch {
	case err == nil:
		switch {
		case len(s.failed) > 0:
			s.hurry()
		case s.failing:
			s.failing = false
			s.Logger.Info("settling messages works again")
		}
	case errors.Is(err, queue.ErrClosed), errors.Is(err, queue.ErrSettled), s.broken.Err() != nil:
		if s.left++; s.left == 1 {
			s.Logger.Error("a message could not be settled and stays in the queue", "id", x.Message.ID, "error", err)
		}
		s.mu.Unlock()
		s.ended(x)
		s.mu.Lock()
	default:
		if !s.failing {
			s.failing = true
			s.Logger.Warn("settling a message failed; trying again", "id", x.Message.ID, "error", err)
		}
		delay := min(firstTry<<min(x.tries, 10), lastTry)
		x.tries++
		due := time.Now().Add(delay)
		s.failed = append(s.failed, retrial{x, due})
		s.alarm.Set(due)
	}
}

// soon is how long a job that failed waits at most once the queue has done another one. Until a message is settled, a
// crash makes it leave twice.
const soon = time.Second

// hurry has what failed tried again soon, as the queue works. s.mu is held.
func (s *Settler) hurry() {
	now := time.Now()
	if now.Sub(s.hurried) < soon {
		return
	}
	s.hurried = now
	for i := range s.failed {
		if r := &s.failed[i]; r.due.Sub(now) > soon {
			r.due = now.Add(soon)
			s.alarm.Set(r.due)
		}
	}
}

// retrial is a message that could not be settled, and when that is tried again.
type retrial struct {
	x   *Ending
	due time.Time
}

// again lets the failed jobs that are due be tried again.
func (s *Settler) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alarm.Rang()
	now := time.Now()
	waiting := s.failed[:0]
	for _, r := range s.failed {
		if !now.Before(r.due) || s.broken.Err() != nil {
			s.jobs.push(r.x)
			s.wake()
			continue
		}
		waiting = append(waiting, r)
		s.alarm.Set(r.due)
	}
	clear(s.failed[len(waiting):])
	s.failed = waiting
}

// ended counts a message out of memory.
func (s *Settler) ended(x *Ending) {
	s.backlog.Add(-1)
	s.Ended(x)
}

// Grace is how long the queue has for what is done already, when everything else broke off.
const Grace = 5 * time.Second

// Stop waits until everything is done. Nothing is added any more but by the workers themselves.
func (s *Settler) Stop() {
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
	case <-s.broken.Done():
		s.again()
		grace := time.AfterFunc(Grace, s.cut)
		<-done
		grace.Stop()
	}
	s.alarm.Stop()
	s.cut()
	if s.left > 1 {
		s.Logger.Error("messages could not be settled and stay in the queue", "count", s.left)
	}
}

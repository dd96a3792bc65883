package console

import (
	"context"
	"sync"
	"time"
)

// latest keeps the last answer of something that may take its time. It is asked in the background, one question at a
// time, each with a deadline, so that a slow answer holds up nobody: meanwhile there is the last one. The zero value
// has none yet.
type latest[T any] struct {
	mu     sync.Mutex
	value  T // of the last answer that was one
	err    error
	at     time.Time // when that was asked for
	known  bool      // there was an answer, or an error
	slow   bool      // it took longer than anybody waits
	asking *question // nil: none
}

// question is one that is not answered yet.
type question struct {
	begun time.Time
	done  chan struct{}
}

// source is what a latest asks.
type source[T any] struct {
	every  time.Duration // at most that often
	within time.Duration // deadline of a question
	ask    func(ctx context.Context) (T, error)
}

// briefly is how long a question may take before nobody waits for its answer any more.
const briefly = 500 * time.Millisecond

// get returns the last answer, and the error of the last question. When the answer is a while ago it asks again, and
// waits a moment, unless the last answer was too slow for that. What is returned is shared.
func (l *latest[T]) get(c *Console, s source[T]) (T, error) {
	l.mu.Lock()
	now := c.now()
	q, wait := l.asking, !l.known
	if q == nil && (!l.known || now.Sub(l.at).Abs() >= s.every) {
		q, wait = &question{time.Now(), make(chan struct{})}, !l.slow
		l.asking = q
		c.background.Go(func() { l.answer(c, s, q, now) })
	}
	l.mu.Unlock()
	if q != nil && wait {
		select {
		case <-q.done:
		case <-time.After(briefly - time.Since(q.begun)):
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value, l.err
}

// answer asks, and keeps the answer unless it is wanted no more.
func (l *latest[T]) answer(c *Console, s source[T], q *question, now time.Time) {
	defer close(q.done)
	ctx, cancel := context.WithTimeout(c.life, s.within)
	defer cancel()
	value, err := s.ask(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asking != q {
		return
	}
	l.asking, l.err, l.at, l.known, l.slow = nil, err, now, true, time.Since(q.begun) >= briefly
	if err == nil {
		l.value = value
	}
}

// forget has the next who asks wait for a new answer: something was changed.
func (l *latest[T]) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asking, l.known, l.slow = nil, false, false
}

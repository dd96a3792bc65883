package frame

import (
	"context"
	"sync"
	"time"
)

// Latest keeps the last answer of something that may take its time. It is asked in the background, one question at a
// time, each with a deadline, so that a slow answer holds up nobody: meanwhile there is the last one. Its methods may
// be called at once.
type Latest[T any] struct {
	frame         *Frame
	every, within time.Duration
	ask           func(ctx context.Context) (T, error)

	mu     sync.Mutex
	value  T         // of the last answer that was one
	at     time.Time // when value was asked for
	err    error     // of the last question
	asked  time.Time // when that was
	known  bool      // there was an answer, or an error
	slow   bool      // it took longer than anybody waits
	asking *question // nil: none
}

// question is a question that is not answered yet.
type question struct {
	begun time.Time
	done  chan struct{}
}

// NewLatest returns a Latest that asks at most every so often, and each time waits within a deadline for the answer.
// Within zero: the answer comes from memory, so there is no deadline, and every caller waits for it. It ends with the
// frame.
func NewLatest[T any](f *Frame, every, within time.Duration, ask func(ctx context.Context) (T, error)) *Latest[T] {
	return &Latest[T]{frame: f, every: every, within: within, ask: ask}
}

// briefly is how long a question may take before nobody waits for its answer any more.
const briefly = 500 * time.Millisecond

// Get returns the last answer, when it was asked for, and the error of the last question; the time is zero while there
// was no answer. When the last question is a while ago it asks again, and waits a moment, unless the last answer was
// too slow for that. What is returned is shared.
func (l *Latest[T]) Get() (value T, at time.Time, err error) {
	if q, wait := l.question(); q != nil && wait {
		var late <-chan time.Time
		if l.within > 0 {
			late = time.After(briefly - time.Since(q.begun))
		}
		select {
		case <-q.done:
		case <-late:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value, l.at, l.err
}

// Last is Get for callers who do not even wait a moment.
func (l *Latest[T]) Last() (value T, at time.Time, err error) {
	l.question()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value, l.at, l.err
}

// question returns the question that is not answered yet, or a new question when that is due, and whether to wait for
// it.
func (l *Latest[T]) question() (q *question, wait bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.frame.now()
	q, wait = l.asking, !l.known || l.within == 0
	if q == nil && (!l.known || now.Sub(l.asked).Abs() >= l.every) {
		q, wait = &question{time.Now(), make(chan struct{})}, !l.slow || l.within == 0
		l.asking = q
		if !l.frame.Begin(func(ctx context.Context) { l.answer(ctx, q, now) }) {
			close(q.done)
		}
	}
	return q, wait
}

// answer asks, and keeps the answer unless it is wanted no more.
func (l *Latest[T]) answer(ctx context.Context, q *question, now time.Time) {
	defer close(q.done)
	if l.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.within)
		defer cancel()
	}
	value, err := l.ask(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asking != q {
		return
	}
	l.asking, l.err, l.asked, l.known, l.slow = nil, err, now, true, time.Since(q.begun) >= briefly
	if err == nil {
		l.value, l.at = value, now
	}
}

// Forget has the next who asks wait for a new answer: something was changed.
func (l *Latest[T]) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asking, l.known, l.slow = nil, false, false
}

package rabbittest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// Load publishes to the outbox, delays, retries and settles with a result until Stop, and counts.
type Load struct {
	Q queue.Queue

	t          testing.TB
	stop, end  context.CancelFunc
	publishers sync.WaitGroup
	settling   sync.WaitGroup
	consumed   chan error

	mu      sync.Mutex
	stored  map[string]bool
	results map[string]int
	handed  map[string]int // by id and attempt
	refused int
	last    error // why
}

// StartLoad starts a load of several publishers.
func StartLoad(t testing.TB, q queue.Queue, publishers int) *Load {
	l := &Load{Q: q, t: t, stored: make(map[string]bool), results: make(map[string]int), handed: make(map[string]int),
		consumed: make(chan error, 1)}
	var publishing, consuming context.Context
	publishing, l.stop = context.WithCancel(context.Background())
	consuming, l.end = context.WithCancel(context.Background())
	for i := range publishers {
		l.publishers.Go(func() { l.publish(publishing, i) })
	}
	go func() { l.consumed <- q.Consume(consuming, "outbox", queue.ConsumeOptions{}, l.handle) }()
	t.Cleanup(func() {
		l.stop()
		l.end()
		if t.Failed() {
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Log(len(l.stored), "stored,", len(l.handed), "handed out,", len(l.results), "results,", l.refused, "refused:",
				l.last)
		}
	})
	return l
}

func (l *Load) publish(ctx context.Context, who int) {
	for i := 0; ctx.Err() == nil; i++ {
		m := Mail(fmt.Sprintf("%d-%06d", who, i))
		if i%10 == 0 {
			m.NextAttempt = time.Now().Add(1500 * time.Millisecond)
		}
		err := l.Q.Publish(context.WithoutCancel(ctx), queue.Item{Queue: "outbox", Message: m})
		l.mu.Lock()
		if err == nil {
			l.stored[m.ID] = true
		} else {
			l.refused++
			l.last = err
		}
		l.mu.Unlock()
		if err != nil {
			pause(ctx, 20*time.Millisecond)
		} else {
			pause(ctx, 2*time.Millisecond)
		}
	}
}

// handle settles a message: the first attempt makes a retry of every seventh.
func (l *Load) handle(d *queue.Delivery) {
	l.mu.Lock()
	l.handed[fmt.Sprint(d.Message.ID, "/", len(d.Message.Results))]++
	n := len(l.handed)
	l.mu.Unlock()
	next := queue.Item{Queue: "results", Message: d.Message}
	if len(d.Message.Results) == 0 && n%7 == 0 {
		next.Queue = "outbox"
		next.Message.NextAttempt = time.Now().Add(1200 * time.Millisecond)
	}
	next.Message.Results = append(next.Message.Results, queue.Result{Code: 250})
	l.settling.Go(func() {
		for l.t.Context().Err() == nil {
			err := d.Settle(context.Background(), next)
			if err == nil || errors.Is(err, queue.ErrClosed) {
				return
			}
			pause(l.t.Context(), 100*time.Millisecond)
		}
	})
}

// Await waits until n more deliveries have been handed out.
func (l *Load) Await(n int) {
	l.t.Helper()
	l.mu.Lock()
	n += len(l.handed)
	l.mu.Unlock()
	require.Eventually(l.t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.handed) >= n
	}, Patience, 10*time.Millisecond, "%d deliveries", n)
}

// Finish ends publishing, reads results until everything that was stored has one, and ends consuming.
func (l *Load) Finish() {
	l.t.Helper()
	l.stop()
	l.publishers.Wait()
	results := Consume(l.t, l.Q, "results", 0)
	missing := len(l.stored)
	for missing > 0 {
		d := results.Next()
		if l.results[d.Message.ID]++; l.results[d.Message.ID] == 1 && l.stored[d.Message.ID] {
			missing--
		}
		require.NoError(l.t, d.Settle(l.t.Context()))
	}
	l.end()
	require.NoError(l.t, <-l.consumed)
	l.settling.Wait()
}

// Twice returns how many messages were handed out twice. Messages that were delayed do not count: of them there may be
// two, when it is not known whether the broker had stored the first.
func (l *Load) Twice() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	twice := 0
	for id, n := range l.handed {
		if name, attempt, _ := strings.Cut(id, "/"); n > 1 && !strings.HasSuffix(name, "0") && attempt == "0" {
			twice++
		}
	}
	return twice
}

// String tells what was counted.
func (l *Load) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d stored, %d refused, %d handed out", len(l.stored), l.refused, len(l.handed))
}

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

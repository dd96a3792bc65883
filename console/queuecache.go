package console

import (
	"context"
	"sync"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// queueCache keeps what the queues hold. It is asked again in the background, since a broker may take its time.
type queueCache struct {
	mu     sync.Mutex
	at     time.Time
	asking bool
	stats  []queue.Stats
	known  time.Time // when that was answered
	err    error
}

// stale reports whether the queues may hold something else by now: they cannot be asked, or do not answer.
func (q *queueCache) stale(now time.Time) bool { return q.err != nil || now.Sub(q.known) > queuesTime }

const (
	queuesEvery = 2 * time.Second
	queuesTime  = 10 * time.Second
)

// queues returns the queues as they were at the last answer, and begins to ask again when that is a while ago. The
// first answer is waited for, half a second at most.
func (c *Console) queues() []queue.Stats {
	if c.Admin == nil {
		return nil
	}
	cache := &c.queued
	cache.mu.Lock()
	first := cache.at.IsZero()
	var done chan struct{}
	if now := c.now(); !cache.asking && now.Sub(cache.at).Abs() >= queuesEvery {
		cache.asking = true
		done = make(chan struct{})
		c.background.Go(func() { defer close(done); c.askQueues() })
	}
	cache.mu.Unlock()
	if first && done != nil {
		select {
		case <-done:
		case <-time.After(500 * time.Millisecond):
		}
	}
	cache.mu.Lock()
	defer cache.mu.Unlock()
	return cache.stats
}

func (c *Console) askQueues() {
	ctx, cancel := context.WithTimeout(context.Background(), queuesTime)
	defer cancel()
	stats, err := c.Admin.Queues(ctx)
	cache := &c.queued
	cache.mu.Lock()
	defer cache.mu.Unlock()
	cache.asking, cache.at, cache.err = false, c.now(), err
	if err == nil {
		cache.stats, cache.known = stats, cache.at
	}
}

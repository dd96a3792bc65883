package feedback

import (
	"context"
	"sync"
	"time"

	"github.com/sluicemail/sluice/feedback/verp"
	"github.com/sluicemail/sluice/internal/lru"
)

// How many clicks are remembered, and for how long: who is suppressed by one, and wants mail again, may click again
// later.
const (
	mostClicks  = 16 << 10
	clickMemory = time.Hour
)

// clicks are the tokens that were used of late: the second use of one is stored as little as a second report of the
// same would be. The zero value is ready to use.
type clicks struct {
	mu    sync.Mutex
	known lru.Cache[verp.Token, *click]
}

// click is a use of a token.
type click struct {
	done chan struct{} // closed when err is known
	err  error         // it could not be stored
}

// once stores the use of a token, unless that was done, or is being done by another request: its outcome is that of
// all.
func (c *clicks) once(ctx context.Context, t verp.Token, now time.Time, store func() error) error {
	c.mu.Lock()
	k, known := c.known.Get(t, now)
	if !known {
		k = &click{done: make(chan struct{})}
		c.remember(t, k, now.Add(clickMemory))
	}
	c.mu.Unlock()
	if known {
		select {
		case <-k.done:
			return k.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if k.err = store(); k.err != nil {
		c.mu.Lock()
		c.remember(t, k, now)
		c.mu.Unlock()
	}
	close(k.done)
	return k.err
}

// remember needs the lock.
func (c *clicks) remember(t verp.Token, k *click, until time.Time) {
	c.known.Limit = mostClicks
	c.known.Put(t, k, 1, until)
}

package rabbitmq

import (
	"context"
	"sync"
)

// budget bounds the bytes in memory. What is larger than all of it may come when there is nothing else.
type budget struct {
	limit int64

	mu      sync.Mutex
	used    int64
	changed chan struct{} // closed when something is given back; nil while nobody waits
}

// try takes n bytes if they are free; else it returns a channel that is closed when it is worth another try.
func (b *budget) try(n int64) (bool, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used == 0 || b.used+n <= b.limit {
		b.used += n
		return true, nil
	}
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return false, b.changed
}

// take waits until n bytes are free.
func (b *budget) take(ctx context.Context, n int64) error {
	for {
		ok, changed := b.try(n)
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// add takes n bytes whether they are free or not; a negative n gives back.
func (b *budget) add(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
	if n < 0 && b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// part returns how much is in use.
func (b *budget) part() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

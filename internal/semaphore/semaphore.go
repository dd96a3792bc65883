// Package semaphore counts connections where nobody shares slots between connections that come and connections that go.
package semaphore

import "context"

// Semaphore has a fixed number of slots: the capacity it is made with. It is safe for concurrent use.
type Semaphore chan struct{}

// Acquire waits for a slot. It returns ctx's error when that ends first, and then holds nothing.
func (s Semaphore) Acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TryAcquire takes a slot if there is one.
func (s Semaphore) TryAcquire() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// Release gives a slot back.
func (s Semaphore) Release() { <-s }

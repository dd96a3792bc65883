package rules

import (
	"sync"
	"sync/atomic"
)

// Counters count for each redirect how many messages it sent another way. They outlive a [Set]: hand them on in
// [Config]. The zero Counters are at zero. Methods are safe for concurrent use.
type Counters struct {
	mu        sync.Mutex
	redirects map[int64]*atomic.Int64
}

// Redirect returns how often the redirect with an id acted; zero for one that is not in the set compiled last.
func (c *Counters) Redirect(id int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.redirects[id]; n != nil {
		return n.Load()
	}
	return 0
}

// Redirects returns how often each redirect acted, by id.
func (c *Counters) Redirects() map[int64]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[int64]int64, len(c.redirects))
	for id, n := range c.redirects {
		all[id] = n.Load()
	}
	return all
}

// adopt makes counters for these ids: those there are go on, others are forgotten.
func (c *Counters) adopt(ids []int64) map[int64]*atomic.Int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := make(map[int64]*atomic.Int64, len(ids))
	for _, id := range ids {
		n := c.redirects[id]
		if n == nil {
			n = new(atomic.Int64)
		}
		next[id] = n
	}
	c.redirects = next
	return next
}

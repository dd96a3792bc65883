package mx

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery"
)

const (
	domainShards = 64
	// keepUnused is how long a domain or site that nobody asks for is remembered beyond its time, so that the site
	// keeps its name.
	keepUnused = time.Hour
	// sweepStep is how many entries are looked at for each one added.
	sweepStep = 4
)

// domainEntry is what is known about a domain: a route or an error. Only used changes.
type domainEntry struct {
	route   *delivery.Route
	err     *delivery.RouteError
	site    *site // nil: its route belongs to no site of the book
	expires int64 // Unix nanoseconds
	used    atomic.Int64
}

// failure returns the entry's error, a nil interface when there is none.
func (e *domainEntry) failure() error {
	if e.err != nil {
		return e.err
	}
	return nil
}

// domainCache remembers entries by domain. Reading takes a read lock on one of its shards, which nobody holds for
// longer than it takes to change a map.
type domainCache struct {
	seed   maphash.Seed
	limit  int // of each shard
	shards [domainShards]domainShard
}

type domainShard struct {
	mu      sync.RWMutex
	entries map[string]*domainEntry
	_       [24]byte // keeps shards on cache lines of their own
}

func (c *domainCache) init(limit int) {
	c.seed = maphash.MakeSeed()
	c.limit = max(limit/domainShards, 1)
	for i := range c.shards {
		c.shards[i].entries = make(map[string]*domainEntry)
	}
}

func (c *domainCache) shard(domain string) *domainShard {
	return &c.shards[maphash.String(c.seed, domain)%domainShards]
}

// get returns the entry of a domain, nil when there is none that is still good.
func (c *domainCache) get(domain string, now time.Time) *domainEntry {
	e := c.peek(domain)
	if e == nil {
		return nil
	}
	at := now.UnixNano()
	// Written once a second at most: entries in use would otherwise bounce between CPUs.
	if at-e.used.Load() > int64(time.Second) {
		e.used.Store(at)
	}
	if e.expires <= at {
		return nil
	}
	return e
}

// peek returns the entry of a domain, good or not.
func (c *domainCache) peek(domain string) *domainEntry {
	s := c.shard(domain)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.entries[domain]
}

// put stores e and drops what is too old or too much.
func (c *domainCache) put(domain string, e *domainEntry, book *siteBook) {
	now := time.Now().UnixNano()
	e.used.Store(now)
	s := c.shard(domain)
	s.mu.Lock()
	var dropped []*site
	if old := s.entries[domain]; old != nil {
		dropped = append(dropped, old.site)
	}
	s.entries[domain] = e
	dropped = append(dropped, s.sweep(domain, now)...)
	for len(s.entries) > c.limit && len(s.entries) > 1 {
		dropped = append(dropped, s.evict(domain))
	}
	s.mu.Unlock()
	book.leave(dropped...)
}

// sweep drops expired entries that nobody used lately, among a few taken at random.
func (s *domainShard) sweep(keep string, now int64) (dropped []*site) {
	seen := 0
	for domain, e := range s.entries {
		if seen++; seen > sweepStep {
			break
		}
		if domain != keep && e.expires <= now && now-e.used.Load() > int64(keepUnused) {
			delete(s.entries, domain)
			dropped = append(dropped, e.site)
		}
	}
	return dropped
}

// evict drops the entry that was not used for longest, among a few taken at random.
func (s *domainShard) evict(keep string) *site {
	victim, oldest, seen := "", int64(0), 0
	for domain, e := range s.entries {
		if domain == keep {
			continue
		}
		if used := e.used.Load(); seen == 0 || used < oldest {
			victim, oldest = domain, used
		}
		if seen++; seen > 2*sweepStep {
			break
		}
	}
	dropped := s.entries[victim].site
	delete(s.entries, victim)
	return dropped
}

func (c *domainCache) clear(book *siteBook) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		var dropped []*site
		for _, e := range s.entries {
			dropped = append(dropped, e.site)
		}
		clear(s.entries)
		s.mu.Unlock()
		book.leave(dropped...)
	}
}

func (c *domainCache) length() (n int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}

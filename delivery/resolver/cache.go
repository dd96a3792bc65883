package resolver

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// question is a key of the cache: a normal name and a type.
type question struct {
	name  string
	qtype uint16
}

const (
	cacheShards = 16
	// evictSample is how many entries are looked at to find one to drop.
	evictSample = 8
)

// cache keeps answers and failures until they expire, within a budget of bytes. When that is used up, an expired entry
// goes, or else the one that was not used for longest, of a few taken at random.
type cache struct {
	seed   maphash.Seed
	budget int64 // for each shard
	shards [cacheShards]cacheShard
}

type cacheShard struct {
	mu      sync.RWMutex
	entries map[question]*cacheEntry
	size    int64
}

// cacheEntry has either an answer or an error. Only used changes.
type cacheEntry struct {
	answer  *Answer
	err     *Error
	expires int64 // Unix nanoseconds
	cost    int64
	used    atomic.Int64
}

func newCache(bytes int64) *cache {
	c := &cache{seed: maphash.MakeSeed(), budget: max(bytes/cacheShards, 1)}
	for i := range c.shards {
		c.shards[i].entries = make(map[question]*cacheEntry)
	}
	return c
}

func (c *cache) shard(q question) *cacheShard {
	h := maphash.String(c.seed, q.name) + uint64(q.qtype)
	return &c.shards[h%cacheShards]
}

// get returns the entry for q, nil when there is none that is still good.
func (c *cache) get(q question, now time.Time) *cacheEntry {
	s := c.shard(q)
	s.mu.RLock()
	e := s.entries[q]
	s.mu.RUnlock()
	at := now.UnixNano()
	if e == nil || e.expires <= at {
		return nil
	}
	// Written once a second at most: entries in use would otherwise bounce between CPUs.
	if at-e.used.Load() > int64(time.Second) {
		e.used.Store(at)
	}
	return e
}

// put stores e for q until expires. An entry that would take a quarter of its shard is not worth it.
func (c *cache) put(q question, e *cacheEntry, expires, now time.Time) {
	e.expires = expires.UnixNano()
	e.used.Store(now.UnixNano())
	e.cost += int64(len(q.name)) + 200
	if e.cost > c.budget/4 {
		return
	}
	s := c.shard(q)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(q)
	s.entries[q] = e
	s.size += e.cost
	for s.size > c.budget {
		s.evict(q, now.UnixNano())
	}
}

func (s *cacheShard) drop(q question) {
	if e := s.entries[q]; e != nil {
		s.size -= e.cost
		delete(s.entries, q)
	}
}

// evict drops one entry other than keep.
func (s *cacheShard) evict(keep question, now int64) {
	var victim question
	oldest, seen := int64(0), 0
	for q, e := range s.entries { // starts at random
		if q == keep {
			continue
		}
		if e.expires <= now {
			victim = q
			break
		}
		if used := e.used.Load(); seen == 0 || used < oldest {
			victim, oldest = q, used
		}
		if seen++; seen == evictSample {
			break
		}
	}
	s.drop(victim)
}

// clear forgets everything.
func (c *cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.entries, s.size = make(map[question]*cacheEntry), 0
		s.mu.Unlock()
	}
}

// length returns the number of entries, good or expired, and their size in bytes.
func (c *cache) length() (entries int, size int64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		entries += len(s.entries)
		size += s.size
		s.mu.RUnlock()
	}
	return entries, size
}

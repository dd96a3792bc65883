package sign

import (
	"crypto/sha256"
	"sync"
	"time"
)

// cacheKey is what a signature depends on: the content of the mail with the message's own keys, hashed, the settings'
// keys, and what the DNS has of them.
type cacheKey struct {
	content [sha256.Size]byte
	keys    *Keys
	version uint64
}

// entry is the signatures of one mail. They are there when done is closed.
type entry struct {
	done   chan struct{}
	fields []byte
	err    error
	until  time.Time
}

// cache remembers signatures. Of many that ask for the same one at a time, one makes it and the others wait.
type cache struct {
	shards [16]shard
}

// shard keeps two generations: the old one is dropped when the new one is full.
type shard struct {
	mu       sync.Mutex
	new, old map[cacheKey]*entry
}

func (c *cache) shard(k *cacheKey) *shard { return &c.shards[k.content[0]%16] }

// get returns the entry for k, and whether the caller has to fill it and close done.
func (c *cache) get(k cacheKey, now time.Time, size int) (e *entry, fill bool) {
	s := c.shard(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, young := s.new[k]
	if !young {
		e = s.old[k]
	}
	if e != nil && e.usable(now) {
		if !young {
			s.put(k, e, size)
		}
		return e, false
	}
	e = &entry{done: make(chan struct{})}
	s.put(k, e, size)
	return e, true
}

// usable reports whether an entry is still being made or not yet too old.
func (e *entry) usable(now time.Time) bool {
	select {
	case <-e.done:
		return e.err == nil && now.Before(e.until)
	default:
		return true
	}
}

func (s *shard) put(k cacheKey, e *entry, size int) {
	if s.new == nil || len(s.new) >= max(1, size/32) {
		s.old, s.new = s.new, make(map[cacheKey]*entry)
	}
	s.new[k] = e
}

package sign

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/lru"
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

type shard struct {
	mu    sync.Mutex
	known lru.Cache[cacheKey, *entry]
}

func (c *cache) shard(k *cacheKey) *shard { return &c.shards[k.content[0]%16] }

// get returns the entry for k, and whether the caller has to fill it and close done.
func (c *cache) get(k cacheKey, now time.Time, size int) (e *entry, fill bool) {
	s := c.shard(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, found := s.known.Get(k, now); found && e.usable(now) {
		return e, false
	}
	e = &entry{done: make(chan struct{})}
	s.known.Limit = int64(max(1, size/len(c.shards)))
	s.known.Put(k, e, 1, time.Time{})
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

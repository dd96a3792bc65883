package local

import (
	"hash/maphash"
	"net/netip"
	"sync"

	"github.com/sluicemail/sluice/throttle"
)

// Table is the limits in force. It is not to be changed after it was given to New or Set. The zero Table has no limits.
type Table struct {
	// Base are the values of every path that the rules do not concern.
	Base throttle.Limits
	// Rules give paths values of their own. Nil: none. They may also be an [Observer] and a [throttle.Aliaser].
	Rules Rules

	once   sync.Once
	seed   maphash.Seed
	shards []tableShard
}

// Rules say what limits a path has. They are asked once for each path and table, and again after Invalidate; safe for
// concurrent use.
type Rules interface {
	// Limits returns the values of a path; nil means base.
	Limits(path throttle.Path, base *throttle.Limits) *throttle.Limits
}

// Observer are rules that want to know what becomes of attempts.
type Observer interface {
	Observe(path throttle.Path, target netip.Addr, outcome throttle.Outcome)
}

const (
	tableShards = 16
	// maxRemembered bounds the paths remembered by each shard; beyond it the shard starts anew.
	maxRemembered = 8192
)

// tableShard remembers what the rules said.
type tableShard struct {
	mu     sync.RWMutex
	limits map[throttle.Path]*throttle.Limits
	epoch  uint64 // counts invalidations, so that what was found out before one is not stored after it
}

func (t *Table) init() {
	t.once.Do(func() {
		t.seed = maphash.MakeSeed()
		t.shards = make([]tableShard, tableShards)
	})
}

func (t *Table) shard(path throttle.Path) *tableShard {
	return &t.shards[maphash.Comparable(t.seed, path)%tableShards]
}

// limits returns the values of a path.
func (t *Table) limits(path throttle.Path) *throttle.Limits {
	if t.Rules == nil {
		return &t.Base
	}
	s := t.shard(path)
	s.mu.RLock()
	found, epoch := s.limits[path], s.epoch
	s.mu.RUnlock()
	if found != nil {
		return found
	}
	if found = t.Rules.Limits(path, &t.Base); found == nil {
		found = &t.Base
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch {
		return found
	}
	if s.limits == nil || len(s.limits) >= maxRemembered {
		s.limits = make(map[throttle.Path]*throttle.Limits)
	}
	s.limits[path] = found
	return found
}

// forget drops what is remembered about a path; the zero path means all.
func (t *Table) forget(path throttle.Path) {
	all := path == throttle.Path{}
	for i := range t.shards {
		s := &t.shards[i]
		if !all && s != t.shard(path) {
			continue
		}
		s.mu.Lock()
		s.epoch++
		if all {
			s.limits = nil
		} else {
			delete(s.limits, path)
		}
		s.mu.Unlock()
	}
}

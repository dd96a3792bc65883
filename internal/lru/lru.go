// Package lru has a bounded map that forgets: entries whose time is over, and those used longest ago where room is
// needed.
package lru

import (
	"container/list"
	"maps"
	"slices"
	"time"
)

// Cache keeps values by key. The zero value with a Limit is ready to use. It is not safe for concurrent use: who needs
// more than one step at a time locks anyway.
type Cache[K comparable, V any] struct {
	Limit int64 // for the weights of all entries together

	byKey  map[K]*list.Element // of *entry[K, V]
	recent list.List           // the one used last in front
	weight int64
}

type entry[K comparable, V any] struct {
	key    K
	value  V
	weight int64
	until  time.Time // zero: for good
}

// Get returns the value of a key, and ok false when there is none or its time is over.
func (c *Cache[K, V]) Get(key K, now time.Time) (value V, ok bool) {
	if value, ok = c.Peek(key, now); ok {
		c.recent.MoveToFront(c.byKey[key])
	}
	return value, ok
}

// Peek is Get, but does not count as use: of entries that are only peeked at, the oldest makes room.
func (c *Cache[K, V]) Peek(key K, now time.Time) (value V, ok bool) {
	at := c.byKey[key]
	if at == nil {
		return value, false
	}
	e := at.Value.(*entry[K, V])
	if !e.until.IsZero() && !now.Before(e.until) {
		c.drop(at)
		return value, false
	}
	return e.value, true
}

// Put keeps a value until a time, or until room is needed when that is zero, in the place of what the key had before.
// A value that weighs more than the limit is not kept.
func (c *Cache[K, V]) Put(key K, value V, weight int64, until time.Time) {
	if at := c.byKey[key]; at != nil {
		c.drop(at)
	}
	if weight > c.Limit {
		return
	}
	if c.byKey == nil {
		c.byKey = make(map[K]*list.Element)
	}
	c.byKey[key] = c.recent.PushFront(&entry[K, V]{key, value, weight, until})
	for c.weight += weight; c.weight > c.Limit; {
		c.drop(c.recent.Back())
	}
}

// Keys returns all keys in no order, those whose time is over among them.
func (c *Cache[K, V]) Keys() []K {
	return slices.AppendSeq(make([]K, 0, len(c.byKey)), maps.Keys(c.byKey))
}

// Clear forgets everything.
func (c *Cache[K, V]) Clear() {
	clear(c.byKey)
	c.recent.Init()
	c.weight = 0
}

func (c *Cache[K, V]) drop(at *list.Element) {
	e := c.recent.Remove(at).(*entry[K, V])
	delete(c.byKey, e.key)
	c.weight -= e.weight
}

// Package textcache keeps what is made of texts, within a limit of memory.
package textcache

import (
	"container/list"
	"sync"
)

// Cache keeps a value for each of the texts that were asked for last. Its zero value is ready; its methods are safe for
// concurrent use.
type Cache[V any] struct {
	// Bytes is how much memory texts and values may take, about; zero means 64 MiB.
	Bytes int

	mu      sync.Mutex
	entries map[string]*list.Element // of *entry[V]
	recent  list.List                // the latest used in front
	size    int
}

type entry[V any] struct {
	text  string
	once  sync.Once
	value V
	size  int // under the cache's lock
}

// perEntry is about what an entry takes without its text and value.
const perEntry = 512

// Get returns the value of a text: the one that is kept, or what making returns, with the bytes that it takes. Several
// callers of one text wait for one making. The text is copied when it is new.
func (c *Cache[V]) Get(text []byte, making func(text string) (value V, size int)) V {
	e := c.entry(text)
	e.once.Do(func() {
		value, size := making(e.text)
		e.value = value
		c.grow(e, size)
	})
	return e.value
}

func (c *Cache[V]) entry(text []byte) *entry[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.entries[string(text)]; found != nil {
		c.recent.MoveToFront(found)
		return found.Value.(*entry[V])
	}
	e := &entry[V]{text: string(text), size: len(text) + perEntry}
	if e.size > c.limit() {
		return e
	}
	if c.entries == nil {
		c.entries = make(map[string]*list.Element)
	}
	c.entries[e.text] = c.recent.PushFront(e)
	c.size += e.size
	c.shrink()
	return e
}

// grow counts the value of an entry.
func (c *Cache[V]) grow(e *entry[V], size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.entries[e.text]; found == nil || found.Value != e {
		return // it was not kept, or not for long
	}
	e.size += size
	c.size += size
	c.shrink()
}

// shrink forgets what was not used for longest.
func (c *Cache[V]) shrink() {
	for c.size > c.limit() {
		oldest := c.recent.Remove(c.recent.Back()).(*entry[V])
		delete(c.entries, oldest.text)
		c.size -= oldest.size
	}
}

func (c *Cache[V]) limit() int {
	if c.Bytes > 0 {
		return c.Bytes
	}
	return 64 << 20
}

package template

import (
	"container/list"
	"sync"
)

// Cache keeps compiled templates, and the errors of those that cannot be compiled, for each text one. Its zero value is
// ready; its methods are safe for concurrent use.
type Cache struct {
	// Bytes is how much memory the templates may take, about; zero means 64 MiB.
	Bytes int

	mu      sync.Mutex
	entries map[string]*list.Element // of *entry
	recent  list.List                // the latest used in front
	size    int
}

type entry struct {
	text     string
	compile  sync.Once
	template *Template
	err      error
}

// treeFactor is about how many bytes a byte of text takes when it is compiled: it is kept, and referred to by a tree.
const treeFactor = 3

func (e *entry) size() int { return treeFactor*len(e.text) + 512 }

// Compile returns the compiled form of a text. Errors are *Error. It makes a copy of the text when it is new.
func (c *Cache) Compile(text []byte) (*Template, error) {
	e := c.entry(text)
	e.compile.Do(func() { e.template, e.err = Compile(e.text) })
	return e.template, e.err
}

func (c *Cache) entry(text []byte) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.entries[string(text)]; found != nil {
		c.recent.MoveToFront(found)
		return found.Value.(*entry)
	}
	e := &entry{text: string(text)}
	if e.size() > c.limit() {
		return e
	}
	if c.entries == nil {
		c.entries = make(map[string]*list.Element)
	}
	c.entries[e.text] = c.recent.PushFront(e)
	for c.size += e.size(); c.size > c.limit(); {
		oldest := c.recent.Remove(c.recent.Back()).(*entry)
		delete(c.entries, oldest.text)
		c.size -= oldest.size()
	}
	return e
}

func (c *Cache) limit() int {
	if c.Bytes > 0 {
		return c.Bytes
	}
	return 64 << 20
}

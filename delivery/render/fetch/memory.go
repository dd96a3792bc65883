package fetch

import (
	"container/list"
	"sync"
	"time"
)

// memory keeps files and failures, those used last up to a number of bytes. The zero value keeps nothing until it has
// a limit.
type memory struct {
	limit int64

	mu    sync.Mutex
	size  int64
	byURL map[string]*list.Element
	used  list.List // of *entry, the one used last in front
}

// entry is what became of an address: a file or a failure.
type entry struct {
	url   string
	file  *File
	err   *Error
	until time.Time
}

// weight is what an entry counts for, with the memory around it.
func (e *entry) weight() int64 {
	n := int64(len(e.url) + 512)
	if e.file != nil {
		n += int64(len(e.file.Data))
	}
	return n
}

// get returns what is known of an address, nil when nothing is or its time is over.
func (m *memory) get(url string, now time.Time) *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.byURL[url]
	if at == nil {
		return nil
	}
	e := at.Value.(*entry)
	if !now.Before(e.until) {
		m.drop(at)
		return nil
	}
	m.used.MoveToFront(at)
	return e
}

// put keeps an entry in the place of what was known before. One that would take more than a quarter of the memory is
// left to the store.
func (m *memory) put(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := m.byURL[e.url]; at != nil {
		m.drop(at)
	}
	if e.weight() > m.limit/4 {
		return
	}
	if m.byURL == nil {
		m.byURL = make(map[string]*list.Element)
	}
	m.byURL[e.url] = m.used.PushFront(e)
	m.size += e.weight()
	for m.size > m.limit {
		m.drop(m.used.Back())
	}
}

func (m *memory) drop(at *list.Element) {
	e := m.used.Remove(at).(*entry)
	delete(m.byURL, e.url)
	m.size -= e.weight()
}

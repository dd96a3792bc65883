package fetch

import (
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/lru"
)

// memory keeps files and failures, those used last up to a number of bytes. The zero value keeps nothing until it has
// a limit.
type memory struct {
	mu    sync.Mutex
	known lru.Cache[string, *entry]
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
	e, _ := m.known.Get(url, now)
	return e
}

// put keeps an entry in the place of what was known before. One that would take more than a quarter of the memory is
// left to the store.
func (m *memory) put(e *entry) {
	weight := e.weight()
	m.mu.Lock()
	defer m.mu.Unlock()
	if weight > m.known.Limit/4 {
		weight = m.known.Limit + 1 // too much: only what was known before is forgotten
	}
	m.known.Put(e.url, e, weight, e.until)
}

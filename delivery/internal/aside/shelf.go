package aside

import (
	"sync/atomic"
	"time"
)

// Shelf has the keys of messages that one owner had parked for want of room. Its owner calls Put before a message is
// parked, and again when it is: an order in the meantime has missed it.
type Shelf struct {
	r     *Registry
	owner Owner

	parked atomic.Int64 // len(keys)
	awaits atomic.Bool  // messages are ordered, or on their way

	keys     map[string]uint64 // count when each was put last
	count    uint64
	ordered  bool      // and not served yet
	expected int       // messages on their way
	askTo    time.Time // no order before, unless all of them have come
	barred   time.Time // no order before
}

// Owner has a list that messages come back to.
type Owner interface {
	// Served is called when an order was served, or could not be, with no lock held.
	Served()
	String() string // for the log
}

// order is what a shelf asks the queue for.
type order struct {
	shelf *Shelf
	keys  []string
	n     int
	count uint64 // of the shelf then
}

const (
	// maxKeys bounds the keys on a shelf.
	maxKeys = 10000
	// onTheWay is how long messages are waited for that were fetched: some may have been finished on the way, or taken
	// another.
	onTheWay = time.Second
)

// Init makes a shelf of a registry.
func (s *Shelf) Init(r *Registry, owner Owner) { s.r, s.owner = r, owner }

// Len is the number of keys of which messages are parked.
func (s *Shelf) Len() int { return int(s.parked.Load()) }

// Awaits reports whether messages are ordered, or on their way.
func (s *Shelf) Awaits() bool { return s.awaits.Load() }

// Put notes that a message with this key is parked, or about to be, unless all of them are held. When it was ordered
// and found no room after all, nothing is ordered for a moment, or it would come and go without end.
func (s *Shelf) Put(key string, ordered bool) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.put(key)
	if ordered {
		s.barred = s.r.now().Add(onTheWay)
	}
}

// put notes a key. The lock is held.
func (s *Shelf) put(key string) {
	if s.r.covers(key) {
		return
	}
	if s.keys == nil {
		s.keys = make(map[string]uint64)
	}
	s.count++
	if _, known := s.keys[key]; known || len(s.keys) < maxKeys {
		s.keys[key] = s.count
	}
	s.update()
}

// update has the numbers follow that are read without the lock, which is held.
func (s *Shelf) update() {
	s.parked.Store(int64(len(s.keys)))
	s.awaits.Store(s.ordered || s.expected > 0)
}

// Arrived notes that the owner got a message with this key, and reports whether it is one that was ordered. When other
// messages with the key are being fetched because they are no longer held, they are the business of the shelf now.
func (s *Shelf) Arrived(key string) (ordered bool) {
	if s.r.flowing.Load() == 0 && !s.awaits.Load() {
		return false
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if h := s.r.holds[key]; h != nil && h.left > 0 {
		s.r.over(key, h)
		s.put(key)
	}
	if ordered = s.ordered || s.expected > 0; ordered {
		s.expected-- // they may be here before their number is
		s.update()
	}
	return ordered
}

// Take takes a key from the shelf, and reports whether it was there.
func (s *Shelf) Take(key string) bool {
	if s.Len() == 0 {
		return false
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	_, there := s.keys[key]
	delete(s.keys, key)
	s.update()
	return there
}

// Keys returns all keys on the shelf.
func (s *Shelf) Keys() []string {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	return s.some(len(s.keys), nil)
}

// some returns up to n keys for which want is true; nil: any. The lock is held.
func (s *Shelf) some(n int, want func(string) bool) []string {
	list := make([]string, 0, min(len(s.keys), n))
	for key := range s.keys {
		if len(list) == n {
			break
		}
		if !s.r.covers(key) && (want == nil || want(key)) {
			list = append(list, key)
		}
	}
	return list
}

// Order has about n messages fetched, of the keys for which want is true; nil: of any. It returns when an order makes
// sense that does not now; zero: this one does, or there is nothing to be ordered, or an order is out already.
func (s *Shelf) Order(n int, want func(key string) bool) (notBefore time.Time) {
	if s.Len() == 0 {
		return time.Time{}
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.ordered {
		return time.Time{}
	}
	if s.expected > 0 {
		notBefore = s.askTo
	}
	if s.barred.After(notBefore) {
		notBefore = s.barred
	}
	if notBefore.After(s.r.now()) {
		return notBefore
	}
	if keys := s.some(n, want); len(keys) > 0 {
		s.r.orders = append(s.r.orders, order{s, keys, n, s.count})
		s.ordered = true
		s.update()
		s.r.signal()
	}
	return time.Time{}
}

// served notes how many messages are on their way, and which keys have no more.
func (s *Shelf) served(o *order, total int, empty []string, err error) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	now := s.r.now()
	s.ordered = false
	s.expected = max(0, s.expected+total)
	s.askTo = now.Add(onTheWay)
	if err != nil {
		s.barred = now.Add(again)
	}
	for _, key := range empty {
		if s.keys[key] <= o.count {
			delete(s.keys, key)
		}
	}
	s.update()
}

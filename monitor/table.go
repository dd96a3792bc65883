package monitor

// table keeps the figures of up to limit names. The list runs from the name in which something was counted last to the
// one that was quiet for longest.
type table[K comparable] struct {
	entries map[K]*entry[K]
	list    entry[K]  // ring: next is the most recent, prev the least
	last    *entry[K] // the one used last: often it is wanted again
	other   figures   // of names that were dropped
}

// figures are the counters and gauges of one name.
type figures struct {
	series series
	gauges [gauges]int32
}

type entry[K comparable] struct {
	figures
	key        K
	seen       int64 // second of the last event
	answers    *answers
	next, prev *entry[K]
}

// observe counts an event for a name. It returns the name's entry, or nil when there is none and the event begins
// nothing. own makes a copy of the name that can be kept.
func (t *table[K]) observe(key K, second int64, ef *effect, bytes int64, limit int, own func(K) K) *entry[K] {
	e := t.last
	if e == nil || e.key != key {
		e = t.entries[key]
	}
	if e == nil {
		if ef.counts == noCounter {
			t.other.move(ef, &t.other)
			return nil
		}
		e = t.insert(own(key), second, limit)
	}
	t.last = e
	if e.seen != second {
		e.seen = second
		t.unlink(e)
		t.front(e)
	}
	if ef.counts != noCounter {
		e.series.count(second, ef, bytes)
	}
	e.move(ef, &t.other)
	return e
}

// move moves the gauges. What would fall below zero began before the name was dropped, and is taken from the others.
func (f *figures) move(ef *effect, other *figures) {
	if ef.up != noGauge {
		f.gauges[ef.up]++
	}
	if ef.down == noGauge {
		return
	}
	if f.gauges[ef.down] > 0 {
		f.gauges[ef.down]--
	} else {
		other.gauges[ef.down]--
	}
}

func (f *figures) still() bool { return f.gauges == [gauges]int32{} }

func (t *table[K]) insert(key K, now int64, limit int) *entry[K] {
	if t.entries == nil {
		t.entries = map[K]*entry[K]{}
		t.list.next, t.list.prev = &t.list, &t.list
	}
	// Two rows that say nothing any more make room for each that comes.
	for range 2 {
		if last := t.list.prev; last != &t.list && last.series.quiet(now) && last.still() {
			t.drop(last)
		}
	}
	if len(t.entries) >= max(limit, 1) {
		e := t.victim()
		t.other.series.merge(&e.series, now)
		for i, n := range e.gauges {
			t.other.gauges[i] += n
		}
		t.drop(e)
	}
	e := &entry[K]{key: key, seen: now}
	t.entries[key] = e
	t.front(e)
	return e
}

// victim is the name that was quiet for longest, unless one of the next few has nothing going on.
func (t *table[K]) victim() *entry[K] {
	e := t.list.prev
	for range 8 {
		if e == &t.list {
			break
		}
		if e.still() {
			return e
		}
		e = e.prev
	}
	return t.list.prev
}

func (t *table[K]) drop(e *entry[K]) {
	if t.last == e {
		t.last = nil
	}
	t.unlink(e)
	delete(t.entries, e.key)
}

func (t *table[K]) unlink(e *entry[K]) {
	e.prev.next, e.next.prev = e.next, e.prev
}

func (t *table[K]) front(e *entry[K]) {
	e.prev, e.next = &t.list, t.list.next
	e.prev.next, e.next.prev = e, e
}

package memory

import (
	"cmp"
	"container/list"
	"slices"

	"github.com/sluicemail/sluice/queue"
)

// store is one named queue.
type store struct {
	stats     queue.Stats
	items     list.List // of *item, in the order in which they were stored
	classes   []*class  // by priority, highest first
	parked    map[string]*list.List
	consumers []*consumer
}

// class holds what is ready and has the same priority.
type class struct {
	priority int
	first    list.List // of *item that go ahead of the lanes
	ring     list.List // of *lane that are not empty, in turn
	lanes    map[string]*lane
}

// lane holds what is ready, has the same priority and the same recipient domain.
type lane struct {
	domain string
	items  list.List
	turn   *list.Element // in ring
}

// place is where an item can be taken from.
type place struct {
	all   *list.Element // in store.items
	list  *list.List    // of ready or parked items
	elem  *list.Element
	class *class // when ready
	lane  *lane  // when in a lane
}

func newStore(name string) *store {
	return &store{stats: queue.Stats{Queue: name}}
}

// enter counts an item in its state, and lists it when it is new.
func (s *store) enter(it *item) {
	*s.counter(it.entry.State)++
	if it.place.all == nil {
		it.place.all = s.items.PushBack(it)
	}
}

// leave counts an item out of its state.
func (s *store) leave(it *item) { *s.counter(it.entry.State)-- }

// unlist ends what enter began.
func (s *store) unlist(it *item) {
	s.items.Remove(it.place.all)
	it.place.all = nil
}

func (s *store) counter(state queue.State) *int {
	switch state {
	case queue.Ready:
		return &s.stats.Ready
	case queue.Delayed:
		return &s.stats.Delayed
	case queue.Parked:
		return &s.stats.Parked
	default:
		return &s.stats.Out
	}
}

// class returns the class of a priority.
func (s *store) class(priority int) *class {
	i, found := slices.BinarySearchFunc(s.classes, priority,
		func(c *class, p int) int { return cmp.Compare(p, c.priority) })
	if !found {
		s.classes = slices.Insert(s.classes, i, &class{priority: priority, lanes: make(map[string]*lane)})
	}
	return s.classes[i]
}

// pushReady puts an item at the end of its lane and wakes the consumers.
func (s *store) pushReady(it *item) {
	c := s.class(it.priority)
	l := c.lanes[it.domain]
	if l == nil {
		l = &lane{domain: it.domain}
		l.turn = c.ring.PushBack(l)
		c.lanes[it.domain] = l
	}
	it.place.list, it.place.elem, it.place.class, it.place.lane = &l.items, l.items.PushBack(it), c, l
	s.wake()
}

// pushFirst puts an item ahead of all lanes, before or behind what went there earlier, and wakes the consumers.
func (s *store) pushFirst(it *item, before bool) {
	c := s.class(it.priority)
	push := c.first.PushBack
	if before {
		push = c.first.PushFront
	}
	it.place.list, it.place.elem, it.place.class, it.place.lane = &c.first, push(it), c, nil
	s.wake()
}

// next returns the item whose turn it is, and moves the turn on. The item stays where it is.
func (s *store) next() *item {
	if len(s.classes) == 0 {
		return nil
	}
	c := s.classes[0]
	if e := c.first.Front(); e != nil {
		return e.Value.(*item)
	}
	l := c.ring.Front().Value.(*lane)
	c.ring.MoveToBack(l.turn)
	return l.items.Front().Value.(*item)
}

// take removes an item from among the ready or the parked ones, and what is empty then.
func (s *store) take(it *item) {
	p := it.place
	if p.list == nil {
		return
	}
	p.list.Remove(p.elem)
	it.place = place{all: p.all}
	if p.list.Len() > 0 {
		return
	}
	if p.class == nil {
		delete(s.parked, it.entry.Parked)
		return
	}
	if p.lane != nil {
		p.class.ring.Remove(p.lane.turn)
		delete(p.class.lanes, p.lane.domain)
	}
	if p.class.first.Len() == 0 && p.class.ring.Len() == 0 {
		s.classes = slices.DeleteFunc(s.classes, func(c *class) bool { return c == p.class })
	}
}

// wake lets the consumers look again.
func (s *store) wake() {
	for _, c := range s.consumers {
		c.look()
	}
}

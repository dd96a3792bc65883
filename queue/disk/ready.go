package disk

// named is a queue. Its ready messages wait in flows, one per recipient domain and priority; consumers are served from
// the highest priority, and within it from what was unparked first, then from each domain in turn.
type named struct {
	name   string
	number uint32
	total  int // entries of any state

	ready, delayed, parked, out int
	bytes                       int64

	levels    []*level          // highest priority first
	parks     map[uint32]*shelf // by interned key
	consumers []*consumer
	next      int // the consumer to wake first
}

// list is a chain of entries.
type list struct {
	head, tail uint32
	n          int
}

func (x *index) pushBack(l *list, i uint32) {
	e := x.entries.at(i)
	e.prev, e.next = l.tail, 0
	if l.tail != 0 {
		x.entries.at(l.tail).next = i
	} else {
		l.head = i
	}
	l.tail = i
	l.n++
}

func (x *index) pushFront(l *list, i uint32) {
	e := x.entries.at(i)
	e.prev, e.next = 0, l.head
	if l.head != 0 {
		x.entries.at(l.head).prev = i
	} else {
		l.tail = i
	}
	l.head = i
	l.n++
}

func (x *index) unlink(l *list, i uint32) {
	e := x.entries.at(i)
	if e.prev != 0 {
		x.entries.at(e.prev).next = e.next
	} else {
		l.head = e.next
	}
	if e.next != 0 {
		x.entries.at(e.next).prev = e.prev
	} else {
		l.tail = e.prev
	}
	e.prev, e.next = 0, 0
	l.n--
}

// level holds the flows of one priority in a ring, and what of that priority was unparked.
type level struct {
	priority int32
	unparked list
	flows    map[uint32]*flow
	turn     *flow // whose turn it is
	spare    *flow // the last one that ran empty, for the next domain
}

// flow is the ready messages to one domain.
type flow struct {
	list
	domain     uint32
	next, prev *flow
}

func (n *named) level(priority int32) *level {
	at := len(n.levels)
	for i, l := range n.levels {
		if l.priority == priority {
			return l
		}
		if l.priority < priority {
			at = i
			break
		}
	}
	l := &level{priority: priority, flows: map[uint32]*flow{}}
	n.levels = append(n.levels, nil)
	copy(n.levels[at+1:], n.levels[at:])
	n.levels[at] = l
	return l
}

func (l *level) flow(domain uint32) *flow {
	if f, ok := l.flows[domain]; ok {
		return f
	}
	f := l.spare
	l.spare = nil
	if f == nil {
		f = &flow{}
	}
	f.domain = domain
	l.flows[domain] = f
	if l.turn == nil {
		f.next, f.prev, l.turn = f, f, f
		return f
	}
	f.next, f.prev = l.turn, l.turn.prev // the last to have its turn
	f.prev.next, f.next.prev = f, f
	return f
}

// drop removes an empty flow.
func (l *level) drop(f *flow) {
	delete(l.flows, f.domain)
	if f.next == f {
		l.turn = nil
	} else {
		f.prev.next, f.next.prev = f.next, f.prev
		if l.turn == f {
			l.turn = f.next
		}
	}
	*f = flow{}
	l.spare = f
}

func (n *named) dropLevel(l *level) {
	for i := range n.levels {
		if n.levels[i] == l {
			n.levels = append(n.levels[:i], n.levels[i+1:]...)
			return
		}
	}
}

func (x *index) addReady(n *named, i uint32, front bool) {
	e := x.entries.at(i)
	f := n.level(e.priority).flow(e.domain)
	if front {
		x.pushFront(&f.list, i)
	} else {
		x.pushBack(&f.list, i)
	}
}

func (x *index) removeReady(n *named, i uint32) {
	e := x.entries.at(i)
	l := n.level(e.priority)
	if e.flags&flagUnparked != 0 {
		e.flags &^= flagUnparked
		x.unlink(&l.unparked, i)
	} else {
		f := l.flows[e.domain]
		x.unlink(&f.list, i)
		if f.n == 0 {
			l.drop(f)
		}
	}
	if l.turn == nil && l.unparked.n == 0 && l.priority != 0 {
		n.dropLevel(l)
	}
}

// takeReady hands out the next ready entry of a queue, 0 when there is none. It is then out.
func (x *index) takeReady(n *named) uint32 {
	if n.ready == 0 {
		return 0
	}
	i := uint32(0)
	for _, l := range n.levels {
		if i = l.unparked.head; i != 0 {
			break
		}
		if l.turn != nil {
			i = l.turn.head
			l.turn = l.turn.next
			break
		}
	}
	x.removeReady(n, i)
	x.entries.at(i).state = stateOut
	n.ready--
	n.out++
	return i
}

// delayHeap orders delayed and parked entries by the time at which they become ready.
type delayHeap struct {
	entries *slab[entry]
	slots   []uint32
}

func (h *delayHeap) due(at int) int64 { return h.entries.at(h.slots[at]).due }

func (h *delayHeap) set(at int, i uint32) {
	h.slots[at] = i
	h.entries.at(i).pos = uint32(at) + 1
}

func (h *delayHeap) push(i uint32) {
	h.slots = append(h.slots, i)
	h.set(len(h.slots)-1, i)
	h.up(len(h.slots) - 1)
}

func (h *delayHeap) remove(i uint32) {
	at := int(h.entries.at(i).pos) - 1
	last := len(h.slots) - 1
	moved := h.slots[last]
	h.slots = h.slots[:last]
	h.entries.at(i).pos = 0
	if at != last {
		h.set(at, moved)
		h.down(at)
		h.up(int(h.entries.at(moved).pos) - 1)
	}
	if cap(h.slots) > 4*chunkLen && len(h.slots) < cap(h.slots)/4 {
		h.slots = append(make([]uint32, 0, cap(h.slots)/2), h.slots...)
	}
}

func (h *delayHeap) up(at int) {
	i := h.slots[at]
	due := h.entries.at(i).due
	for at > 0 {
		parent := (at - 1) / 2
		if h.due(parent) <= due {
			break
		}
		h.set(at, h.slots[parent])
		at = parent
	}
	h.set(at, i)
}

func (h *delayHeap) down(at int) {
	i := h.slots[at]
	due := h.entries.at(i).due
	for {
		child := 2*at + 1
		if child >= len(h.slots) {
			break
		}
		if child+1 < len(h.slots) && h.due(child+1) < h.due(child) {
			child++
		}
		if h.due(child) >= due {
			break
		}
		h.set(at, h.slots[child])
		at = child
	}
	h.set(at, i)
}

// first returns the entry that is due next, 0 when none waits.
func (h *delayHeap) first() uint32 {
	if len(h.slots) == 0 {
		return 0
	}
	return h.slots[0]
}

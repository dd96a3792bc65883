package disk

import "github.com/sluicemail/sluice/queue"

// cache keeps recent mails and messages in memory, oldest out first, so that what is sent at once is never read back.
// Queue.mu protects it. Item 0 is not used.
type cache struct {
	limit, used int
	items       []cacheItem
	free        []uint32
	head, tail  uint32
	x           *index
}

type cacheItem struct {
	data       []byte         // a mail, or
	message    *queue.Message // a message
	owner      uint32         // index of its body or entry
	prev, next uint32
	cost       int
}

func (c *cache) addBody(i uint32, data []byte) {
	if b := c.x.bodies.at(i); b.hot == 0 {
		b.hot = c.add(cacheItem{data: data, owner: i, cost: cap(data) + 64})
	}
}

// messageCost estimates what a decoded message takes, its strings apart.
const messageCost = 1024

func (c *cache) addMessage(i uint32, m *queue.Message, encoded int) {
	if e := c.x.entries.at(i); e.hot == 0 {
		e.hot = c.add(cacheItem{message: m, owner: i, cost: messageCost + encoded})
	}
}

// add returns 0 when the item does not fit at all.
func (c *cache) add(it cacheItem) uint32 {
	if it.cost > c.limit {
		return 0
	}
	for c.used+it.cost > c.limit {
		c.evict(c.head)
	}
	if len(c.items) == 0 {
		c.items = append(c.items, cacheItem{})
	}
	var n uint32
	if last := len(c.free) - 1; last >= 0 {
		n, c.free = c.free[last], c.free[:last]
	} else {
		n = uint32(len(c.items))
		c.items = append(c.items, cacheItem{})
	}
	it.prev = c.tail
	c.items[n] = it
	if c.tail != 0 {
		c.items[c.tail].next = n
	} else {
		c.head = n
	}
	c.tail = n
	c.used += it.cost
	return n
}

func (c *cache) evict(n uint32) {
	it := &c.items[n]
	if it.message != nil {
		c.x.entries.at(it.owner).hot = 0
	} else {
		c.x.bodies.at(it.owner).hot = 0
	}
	c.drop(n)
}

// drop removes an item whose owner no longer names it.
func (c *cache) drop(n uint32) {
	if n == 0 {
		return
	}
	it := &c.items[n]
	if it.prev != 0 {
		c.items[it.prev].next = it.next
	} else {
		c.head = it.next
	}
	if it.next != 0 {
		c.items[it.next].prev = it.prev
	} else {
		c.tail = it.prev
	}
	c.used -= it.cost
	*it = cacheItem{}
	c.free = append(c.free, n)
}

// body returns the cached mail, nil when it is not in memory.
func (c *cache) body(i uint32) []byte {
	if n := c.x.bodies.at(i).hot; n != 0 {
		return c.items[n].data
	}
	return nil
}

// takeMessage returns a decoded message and forgets it: it is the consumer's from now on.
func (c *cache) takeMessage(e *entry) *queue.Message {
	if e.hot == 0 {
		return nil
	}
	m := c.items[e.hot].message
	c.drop(e.hot)
	e.hot = 0
	return m
}

package smtpin

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// maxWaiting is how many connections may wait in all because their clients have too many: they hold no slot, but a file
// descriptor each.
const maxWaiting = 100

// clients counts the connections of each client address, and keeps those in line that are too many. The zero clients is
// empty.
type clients struct {
	mu      sync.Mutex
	byKey   map[netip.Addr]*share
	waiting int
}

// share is what a client has of them.
type share struct {
	connected int
	line      []chan struct{} // each is closed when its connection is counted
}

// clientKey is the address of a client, or the first of the /64 that it is in.
func clientKey(a netip.Addr) netip.Addr {
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

// enter counts a connection, if the client has fewer than most. Otherwise it returns a channel that is closed once it
// is counted, or nil when it may not wait.
func (c *clients) enter(key netip.Addr, most int, mayWait bool) (turn chan struct{}, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey == nil {
		c.byKey = make(map[netip.Addr]*share)
	}
	found := c.byKey[key]
	if found == nil {
		found = new(share)
		c.byKey[key] = found
	}
	switch {
	case found.connected < most:
		found.connected++
		return nil, true
	case !mayWait || c.waiting >= maxWaiting:
		return nil, false
	}
	turn = make(chan struct{})
	found.line = append(found.line, turn)
	c.waiting++
	return turn, false
}

// leave gives a connection's place to the next in line.
func (c *clients) leave(key netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.byKey[key]
	switch {
	case len(found.line) > 0:
		close(found.line[0])
		found.line = found.line[1:]
		c.waiting--
	case found.connected > 1:
		found.connected--
	default:
		delete(c.byKey, key)
	}
}

// giveUp leaves the line; false: the connection has been counted meanwhile.
func (c *clients) giveUp(key netip.Addr, turn chan struct{}) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.byKey[key]
	if found == nil {
		return false
	}
	i := slices.Index(found.line, turn)
	if i < 0 {
		return false
	}
	found.line = slices.Delete(found.line, i, i+1)
	c.waiting--
	return true
}

// capped reports whether ConnectionsPerClient holds for a connection.
func (s *Server) capped(c *Conn) bool {
	return s.ConnectionsPerClient > 0 && c.Remote().IsValid() && (s.Uncapped == nil || !s.Uncapped(c))
}

// count counts a connection of a client that may have only so many; false: it was turned away.
func (c *session) count() bool {
	s := c.srv
	if !s.capped(c.conn) {
		return true
	}
	key := clientKey(c.conn.Remote().Addr())
	turn, ok := s.clients.enter(key, s.ConnectionsPerClient, s.Busy == BusyWait)
	if ok {
		c.counted = key
		return true
	}
	if turn != nil && c.wait(key, turn) {
		return true
	}
	c.turnAway(421, wire.Status{4, 7, 0}, "Too many connections from your address")
	return false
}

// wait waits until a connection is counted, without holding a slot.
func (c *session) wait(key netip.Addr, turn chan struct{}) bool {
	s := c.srv
	ctx, cancel := context.WithTimeout(s.intake, s.timeout())
	defer cancel()
	s.slots.Release()
	c.slot = false
	select {
	case <-turn:
		c.counted = key
	case <-ctx.Done():
		if !s.clients.giveUp(key, turn) {
			c.counted = key
		}
		return false
	}
	c.slot = s.slots.Acquire(ctx) == nil
	return c.slot
}

// uncount counts a connection no more, if the client has logged in and may have any number since.
func (c *session) uncount() {
	if c.counted.IsValid() && !c.srv.capped(c.conn) {
		c.leave()
	}
}

// leave gives back what the session holds of the client's share.
func (c *session) leave() {
	if c.counted.IsValid() {
		c.srv.clients.leave(c.counted)
		c.counted = netip.Addr{}
	}
}

package delivery

import "sync/atomic"

// memory counts the messages that are in memory, at most so many. Up to half of that, a path may have as many as its
// own limit allows. Beyond half, the paths on which something waits for long share half of the memory evenly. Beyond
// seven eighths memory is short: what paths have beyond their share is parked, and if that is not enough, all that
// waits on paths without a connection. A path on which nothing waits for long is left in peace: what waits there is
// gone in a moment.
type memory struct {
	most    int
	leaving func() int // of them, what only has to be settled, released or parked yet
	taken   atomic.Int64
	waiting atomic.Int64 // paths on which something waits
}

// size is how many messages may be in memory.
func (m *memory) size() int { return m.most }

// enter counts a message into memory, and leave out of it.
func (m *memory) enter() { m.taken.Add(1) }
func (m *memory) leave() { m.taken.Add(-1) }

// half is half of the memory.
func (m *memory) half() int { return m.most / 2 }

// load is how many messages are in memory, without messages that are leaving it.
func (m *memory) load() int { return int(m.taken.Load()) - m.leaving() }

// halfFull reports whether more than half of the memory is taken.
func (m *memory) halfFull() bool { return m.load() > m.half() }

// short reports whether memory is nearly full.
func (m *memory) short() bool { return m.load() > m.most*7/8 }

// waits counts the paths on which something waits.
func (m *memory) waits() *atomic.Int64 { return &m.waiting }

// share is how many messages a path may have while memory is half full.
func (m *memory) share() int { return max(2, m.half()/max(1, int(m.waiting.Load()))) }

// spare is how many messages there is room for until a quarter of the memory is left.
func (m *memory) spare() int { return m.most*3/4 - m.load() }

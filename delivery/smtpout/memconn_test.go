package smtpout_test

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// memConn is one end of a connection in memory. Each write arrives after the delay of the line, so that round trips
// take time; writes are counted.
type memConn struct {
	in, out *half
	local   net.Addr
	remote  net.Addr
	delay   time.Duration

	mu        sync.Mutex
	readBy    time.Time
	writes    int
	deadlines int
}

type segment struct {
	data []byte
	at   time.Time
}

// half carries bytes in one direction, without bound.
type half struct {
	mu      sync.Mutex
	segs    []segment
	eof     bool
	broken  bool
	refused bool // the reader is gone
	changed chan struct{}
}

func newHalf() *half { return &half{changed: make(chan struct{})} }

func (h *half) signal() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func newMemPipe(delay time.Duration) (client, server *memConn) {
	up, down := newHalf(), newHalf()
	a := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000}
	b := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 25), Port: 25}
	client = &memConn{in: down, out: up, local: a, remote: b, delay: delay}
	server = &memConn{in: up, out: down, local: b, remote: a, delay: delay}
	return client, server
}

func (c *memConn) Read(p []byte) (int, error) {
	for {
		c.mu.Lock()
		by := c.readBy
		c.mu.Unlock()
		if !by.IsZero() && !time.Now().Before(by) {
			return 0, os.ErrDeadlineExceeded
		}
		h := c.in
		h.mu.Lock()
		changed, until := h.changed, by
		if len(h.segs) > 0 {
			s := &h.segs[0]
			if !time.Now().Before(s.at) {
				n := copy(p, s.data)
				if s.data = s.data[n:]; len(s.data) == 0 {
					h.segs = h.segs[1:]
				}
				h.mu.Unlock()
				return n, nil
			}
			if until.IsZero() || s.at.Before(until) {
				until = s.at
			}
		} else if h.broken {
			h.mu.Unlock()
			return 0, syscall.ECONNRESET
		} else if h.eof {
			h.mu.Unlock()
			return 0, io.EOF
		}
		h.mu.Unlock()
		wait(changed, until)
	}
}

func wait(changed chan struct{}, until time.Time) {
	if until.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

func (c *memConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes++
	c.mu.Unlock()
	h := c.out
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused || h.eof {
		return 0, syscall.EPIPE
	}
	h.segs = append(h.segs, segment{append([]byte(nil), p...), time.Now().Add(c.delay)})
	h.signal()
	return len(p), nil
}

// Close ends both directions; what was written still arrives.
func (c *memConn) Close() error {
	c.out.mu.Lock()
	c.out.eof = true
	c.out.signal()
	c.out.mu.Unlock()
	c.in.mu.Lock()
	c.in.refused = true
	c.in.signal()
	c.in.mu.Unlock()
	return nil
}

// reset is Close with the RST of a TCP connection behind what was written.
func (c *memConn) reset() {
	c.out.mu.Lock()
	c.out.broken = true
	c.out.mu.Unlock()
	c.Close()
}

func (c *memConn) LocalAddr() net.Addr  { return c.local }
func (c *memConn) RemoteAddr() net.Addr { return c.remote }

func (c *memConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *memConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.readBy = t
	c.deadlines++
	c.mu.Unlock()
	c.in.mu.Lock()
	c.in.signal()
	c.in.mu.Unlock()
	return nil
}

func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// count returns the number of writes so far.
func (c *memConn) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

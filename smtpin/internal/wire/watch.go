package wire

import (
	"errors"
	"os"
	"time"
)

// Watch looks after the client while the caller is busy with something slow: when the connection breaks, lost is
// called, from another goroutine. It begins after a while, so that what is quick costs next to nothing. The Conn must
// not be read or written until the function that Watch returns has been called.
func (c *Conn) Watch(after time.Duration, lost func()) (stop func()) {
	if c.readErr != nil || c.w == len(c.in) {
		return func() {}
	}
	c.raw.SetReadDeadline(time.Time{})
	c.readBy = time.Time{}
	done := make(chan struct{})
	timer := time.AfterFunc(after, func() {
		defer close(done)
		c.peek(lost)
	})
	return func() {
		if timer.Stop() {
			return
		}
		c.raw.SetReadDeadline(time.Unix(1, 0))
		<-done
		c.raw.SetReadDeadline(time.Time{})
	}
}

// peek reads what the client sends meanwhile, once: what it does after that shows later.
func (c *Conn) peek(lost func()) {
	n, err := c.nc.Read(c.in[c.w:])
	c.w += n
	if n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	c.readErr = err
	lost()
}

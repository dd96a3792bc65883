package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of buffers, in bytes.
const (
	inputSize  = 32 << 10 // more than the longest line
	outputSize = 4 << 10
	outputFull = 16 << 10 // replies are written when so much waits
)

// Errors of reading. Others are those of the connection.
var (
	ErrTimeout     = errors.New("wire: the client was silent for too long")
	ErrDeadline    = errors.New("wire: the transaction took too long")
	ErrInterrupted = errors.New("wire: interrupted while idle")
)

// Buffers keeps buffers of connections for reuse. The zero Buffers works; it may be used by many connections at once.
type Buffers struct{ pool sync.Pool }

type buffers struct {
	in  [inputSize]byte
	out []byte
}

func (p *Buffers) get() *buffers {
	if b, ok := p.pool.Get().(*buffers); ok {
		return b
	}
	return &buffers{out: make([]byte, 0, outputSize)}
}

func (p *Buffers) put(b *buffers, out []byte) {
	if cap(out) <= 2*outputFull {
		b.out = out[:0]
	}
	p.pool.Put(b)
}

// Conn is the server's end of a connection. Except for Interrupt and Abort it must be used by one goroutine at a time.
type Conn struct {
	// Timeout bounds each read and write; it starts anew with every data received. Zero: none.
	Timeout time.Duration
	// Idle says that Interrupt may end a read now.
	Idle bool
	// Sent, if not nil, is called with each flight of replies as it is written.
	Sent func(flight []byte)

	raw     net.Conn // as accepted
	nc      net.Conn // raw, or TLS over it
	tls     *tls.Conn
	pool    *Buffers
	bufs    *buffers
	in      []byte
	r, w    int // in[r:w] is read but not consumed
	out     []byte
	skip    int   // bytes already discarded of an overlong line that has not ended; 0: none
	readErr error // sticky: nothing can be read any more
	sendErr error // sticky

	limit       time.Time // no read goes on after it; zero: none
	readBy      time.Time // the deadline that is set
	writeBy     time.Time
	interrupted atomic.Bool
}

// NewConn returns a Conn over nc with buffers from pool. Release gives them back.
func NewConn(nc net.Conn, pool *Buffers) *Conn {
	b := pool.get()
	c := &Conn{raw: nc, nc: nc, pool: pool, bufs: b, in: b.in[:], out: b.out[:0]}
	if t, ok := nc.(*tls.Conn); ok {
		c.tls = t
	}
	return c
}

// Release closes the connection and gives its buffers back. Slices handed out by the Conn must not be used any more.
func (c *Conn) Release() {
	c.raw.Close()
	if c.bufs != nil {
		c.pool.put(c.bufs, c.out)
		c.bufs, c.in, c.out = nil, nil, nil
		c.r, c.w = 0, 0
	}
	c.readErr, c.sendErr = net.ErrClosed, net.ErrClosed
}

// Abort closes the connection from another goroutine: what blocks on it returns.
func (c *Conn) Abort() { c.raw.Close() }

// Interrupt makes a read return ErrInterrupted, at once or when Idle is next set. It may be called from any goroutine.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	c.raw.SetReadDeadline(time.Unix(1, 0))
}

// Interrupted reports whether Interrupt was called.
func (c *Conn) Interrupted() bool { return c.interrupted.Load() }

// SetLimit sets the time after which reads fail with ErrDeadline. The zero time is none.
func (c *Conn) SetLimit(t time.Time) { c.limit = t }

// Buffered returns how much has been received and not consumed.
func (c *Conn) Buffered() int { return c.w - c.r }

// Broken reports whether a read or a write has failed: the connection is of no more use.
func (c *Conn) Broken() bool { return c.readErr != nil || c.sendErr != nil }

// Err returns the error with which reading failed, if it did.
func (c *Conn) Err() error { return c.readErr }

// TLS returns the state of TLS, or nil when it is not used.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	s := c.tls.ConnectionState()
	return &s
}

// StartTLS sends waiting replies and makes the handshake. What is buffered counts as its beginning: where that could
// have come in the clear, the caller makes sure that nothing is.
func (c *Conn) StartTLS(ctx context.Context, config *tls.Config) error {
	if err := c.Flush(); err != nil {
		return err
	}
	under := c.raw
	if c.Buffered() > 0 {
		under = &rewound{Conn: c.raw, early: bytes.Clone(c.buffered())}
	}
	return c.Handshake(ctx, tls.Server(under, config))
}

// Handshake makes the handshake of t, which must be over this connection, and goes on with it.
func (c *Conn) Handshake(ctx context.Context, t *tls.Conn) error {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	c.raw.SetDeadline(time.Time{})
	c.readBy, c.writeBy = time.Time{}, time.Time{}
	if err := t.HandshakeContext(ctx); err != nil {
		c.readErr, c.sendErr = err, err
		return err
	}
	c.nc, c.tls = t, t
	c.r, c.w, c.skip = 0, 0, 0
	return nil
}

// buffered returns what has been received and not consumed. It is valid until the next fill.
func (c *Conn) buffered() []byte { return c.in[c.r:c.w] }

func (c *Conn) consume(n int) { c.r += n }

// fill sends waiting replies and reads more input, blocking for it.
func (c *Conn) fill() error {
	if c.readErr != nil {
		return c.readErr
	}
	if err := c.Flush(); err != nil {
		return c.fail(err)
	}
	c.compact()
	for {
		if err := c.arm(); err != nil {
			return c.fail(err)
		}
		n, err := c.nc.Read(c.in[c.w:])
		if n > 0 {
			c.w += n
			return nil
		}
		if err == nil {
			err = io.ErrNoProgress
		}
		if err = c.explain(err); err != nil {
			return c.fail(err)
		}
	}
}

func (c *Conn) fail(err error) error {
	c.readErr = err
	return err
}

// compact makes room. What is left over is short: part of a line.
func (c *Conn) compact() {
	if c.r == 0 {
		return
	}
	copy(c.in, c.in[c.r:c.w])
	c.w -= c.r
	c.r = 0
}

// arm sees to the deadline of a read. An Interrupt that comes before the deadline is set is seen by the check after it.
func (c *Conn) arm() error {
	if c.Timeout > 0 || !c.limit.IsZero() {
		by := c.due(time.Now())
		if c.stale(c.readBy, by) {
			c.raw.SetReadDeadline(by)
			c.readBy = by
		}
	}
	if c.Idle && c.interrupted.Load() {
		return ErrInterrupted
	}
	return nil
}

// due returns when a read that starts now has to end.
func (c *Conn) due(now time.Time) time.Time {
	if c.Timeout <= 0 {
		return c.limit
	}
	by := now.Add(c.Timeout)
	if !c.limit.IsZero() && c.limit.Before(by) {
		return c.limit
	}
	return by
}

// stale reports whether a deadline has to be moved.
func (c *Conn) stale(set, want time.Time) bool {
	if set.IsZero() || want.Before(set) {
		return true
	}
	slack := time.Second
	if c.Timeout > 0 && c.Timeout < 8*time.Second {
		slack = c.Timeout / 8
	}
	return want.Sub(set) > slack
}

// explain tells what a read error means; nil: read again.
func (c *Conn) explain(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	now := time.Now()
	switch {
	case !c.limit.IsZero() && !now.Before(c.limit):
		return ErrDeadline
	case c.interrupted.Load() && (c.readBy.IsZero() || now.Before(c.readBy)):
		if c.Idle {
			return ErrInterrupted
		}
		c.raw.SetReadDeadline(c.readBy)
		return nil
	}
	return ErrTimeout
}

// Discard consumes n bytes of input.
func (c *Conn) Discard(n int64) error {
	for n > 0 {
		have := int64(c.w - c.r)
		if have == 0 {
			if err := c.fill(); err != nil {
				return err
			}
			continue
		}
		have = min(have, n)
		c.r += int(have)
		n -= have
	}
	return nil
}

// Flush writes the replies that wait.
func (c *Conn) Flush() error {
	if c.sendErr != nil || len(c.out) == 0 {
		c.out = c.out[:0]
		return c.sendErr
	}
	if c.Timeout > 0 {
		if by := time.Now().Add(c.Timeout); c.stale(c.writeBy, by) {
			c.raw.SetWriteDeadline(by)
			c.writeBy = by
		}
	}
	if c.Sent != nil {
		c.Sent(c.out)
	}
	_, err := c.nc.Write(c.out)
	c.sendErr = err
	c.out = c.out[:0]
	return err
}

// Linger ends our half of the connection and reads on for at most d, or the client might lose the last reply: closing a
// socket with unread input discards what is still on its way out.
func (c *Conn) Linger(d time.Duration) {
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || c.readErr == io.EOF {
		return
	}
	if c.tls != nil {
		c.tls.CloseWrite()
	}
	half.CloseWrite()
	c.raw.SetReadDeadline(time.Now().Add(d))
	for total := 0; total < 1<<20; {
		n, err := c.raw.Read(c.in)
		if err != nil {
			return
		}
		total += n
	}
}

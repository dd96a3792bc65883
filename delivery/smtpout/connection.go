package smtpout

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/reply"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// connection is one SMTP connection. All but watch is for one goroutine.
type connection struct {
	sender *Sender
	hop    *delivery.Hop
	limits timeouts
	tap    monitor.Transcript
	watch  watch

	nc       net.Conn      // what the dialogue goes over: raw, or TLS on it
	vectored bool          // nc takes several pieces in one system call
	rd       *reply.Reader // of (*inbound)(connection)
	out      []byte        // commands not yet written
	tail     []byte        // what follows a mail: its end and the next one's envelope
	secrets  []string      // not to be shown, while logging in
	outShown []byte        // the same for the transcript, when they hold a secret
	vec      net.Buffers   // for vectored writes, over pieces
	pieces   [3][]byte

	wait     time.Duration // for the reply that is awaited
	waiting  bool          // the deadline for it is set
	readBy   time.Time     // deadline that is set on raw, about
	writeBy  time.Time
	watched  bool // somebody watched when the last flight left
	written  int64
	messages int
	broken   bool // of no more use
	closed   bool

	ignored    int  // replies still to come that concern no mail: to RSET, to an empty mail
	resetAsked bool // the last of them is that to RSET
	mustReset  bool // the remote has an envelope open that is to be dropped

	current mail // of the running Deliver
	ahead   mail // begun in the flights of the one before; tx is nil when there is none

	// What results say of the connection.
	ext            extensions
	mta, from, to  string
	authentication string
	cipher         *queue.Cipher
	certificate    *queue.Certificate
}

var _ delivery.Connection = (*connection)(nil)

func newConnection(s *Sender, hop *delivery.Hop, limits timeouts, nc net.Conn) *connection {
	c := &connection{sender: s, hop: hop, limits: limits, nc: nc, to: hop.Target.Addr().String()}
	c.watch.raw = nc
	c.rd = reply.NewReader((*inbound)(c))
	c.vectored = canVector(nc)
	local := addrPort(nc.LocalAddr())
	if local.IsValid() {
		c.from = local.Addr().Unmap().String()
	} else if hop.Source.IsValid() {
		c.from = hop.Source.String()
	}
	watcher := hop.Monitor
	if watcher == nil {
		watcher = monitor.Discard
	}
	c.tap = watcher.Tap(monitor.Session{Local: local, Remote: hop.Target, Domain: hop.Domain})
	c.watched = c.tap.Watched()
	return c
}

func addrPort(addr net.Addr) netip.AddrPort {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	if addr == nil {
		return netip.AddrPort{}
	}
	parsed, _ := netip.ParseAddrPort(addr.String())
	return parsed
}

// Usable reports whether another mail can be sent.
func (c *connection) Usable() bool { return !c.broken && !c.closed }

// Close says QUIT and closes without waiting for the answer, unless a mail is begun or the connection is broken: then it
// only closes.
func (c *connection) Close() error {
	if c.closed {
		return nil
	}
	c.abandon()
	if !c.broken {
		c.limits.command = min(c.limits.command, time.Second)
		c.out = append(c.out[:0], "QUIT\r\n"...)
		if err := c.flush(); err != nil {
			c.broken = true
		}
	}
	c.closed = true
	c.watch.end()
	c.tap.Close()
	c.current.release()
	if !c.broken && c.cipher != nil {
		c.nc.Close() // says goodbye in TLS as well, which a remote that is gone already does not hear
		return nil
	}
	return c.watch.raw.Close()
}

// abandon gives up a mail that was begun. The connection is then of no more use: the remote may wait for that mail.
func (c *connection) abandon() {
	if c.ahead.tx == nil {
		return
	}
	c.broken = true
	c.unsent(c.ahead.tx, queue.StateIdle, "the connection was given up")
	c.ahead.release()
}

// Idle waits until ctx ends, or the remote says something or closes.
func (c *connection) Idle(ctx context.Context) bool {
	c.abandon()
	if !c.Usable() {
		return false
	}
	for {
		if !c.watch.rest(ctx, c.rd.Wait) {
			c.broken = true
			return false
		}
		c.readBy = time.Time{}
		if c.rd.Buffered() == 0 {
			return true
		}
		if c.ignored == 0 {
			break
		}
		if err := c.skipReplies(); err != nil {
			return false
		}
	}
	// Only a 421 makes sense here (RFC 5321 §3.8); whatever it is, we are out of step.
	c.broken = true
	if code, err := c.await(time.Second); err == nil && code != 421 {
		c.strange("unasked: " + c.rd.Reply().Text)
	}
	return false
}

// strange tells the monitor what no result will tell.
func (c *connection) strange(text string) {
	if c.hop.Monitor == nil {
		return
	}
	c.hop.Monitor.Observe(&monitor.Event{Kind: monitor.Strange, Time: now(), MTA: c.hop.Source, Remote: c.hop.Target, Domain: c.hop.Domain, Text: text})
}

func now() time.Time { return time.Now().UTC() }

// errInterrupted says that it was ctx that ended the connection.
var errInterrupted = errors.New("broken off by us")

// watch breaks the connection off when a ctx ends. It registers with a ctx once, however many calls are made with it.
type watch struct {
	raw net.Conn

	mu   sync.Mutex
	done <-chan struct{} // of the ctx registered with
	stop func() bool
	busy bool // a call with it is under way
	cut  bool // the ctx ended during a call
}

// begin starts a call; false means that ctx has ended.
func (w *watch) begin(ctx context.Context) bool {
	done := ctx.Done()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut || ctx.Err() != nil {
		return false
	}
	w.busy = true
	if done == w.done {
		return true
	}
	if w.stop != nil {
		w.stop()
	}
	w.done, w.stop = done, nil
	if done != nil {
		w.stop = context.AfterFunc(ctx, func() { w.interrupt(done) })
	}
	return true
}

func (w *watch) finish() {
	w.mu.Lock()
	w.busy = false
	w.mu.Unlock()
}

// end lets go of the ctx.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
	w.busy = false
}

func (w *watch) interrupt(done <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy && w.done == done {
		w.cut = true
		w.raw.SetDeadline(time.Unix(1, 0))
	}
}

func (w *watch) interrupted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}

// set calls one of the Set…Deadline methods of raw, unless that would undo an interruption.
func (w *watch) set(call func(time.Time) error, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return errInterrupted
	}
	return call(at)
}

// rest runs wait, which reads from the connection without a time-out, until it returns or ctx ends. It reports
// whether the connection lives.
func (w *watch) rest(ctx context.Context, wait func() error) bool {
	if err := w.set(w.raw.SetReadDeadline, time.Time{}); err != nil {
		return false
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		w.raw.SetReadDeadline(time.Unix(1, 0))
		close(fired)
	})
	err := wait()
	if stop() {
		return err == nil
	}
	<-fired // or it would disturb what comes
	return err == nil || isTimeout(err)
}

func (c *connection) enter(ctx context.Context) bool { return c.watch.begin(ctx) }

func (c *connection) leave() {
	c.watch.finish()
	if c.broken {
		c.watch.end()
	}
}

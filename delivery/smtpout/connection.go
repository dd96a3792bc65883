package smtpout

import (
	"context"
	"io"
	"net"
	"net/netip"
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

	opening  monitor.Stages
	wait     time.Duration // for the reply that is awaited
	waiting  bool          // the deadline for it is set
	readBy   time.Time     // deadline that is set on raw, about
	writeBy  time.Time
	watched  bool // somebody watched when the last flight left
	written  int64
	messages int
	slow     bool // it gets one command at a time, whatever it announces
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
	policy         *queue.TLSPolicy
	session        *delivery.TLSSession // how it was secured, for reports; nil: it was not its turn
	offer          hello
	slot           *slot                  // of the session; nil: TLS was not begun
	violation      *delivery.TLSViolation // what is wrong with how it is secured, whether a policy minds or not
}

var (
	_ delivery.Connection = (*connection)(nil)
	_ delivery.Timed      = (*connection)(nil)
)

func newConnection(s *Sender, hop *delivery.Hop, limits timeouts, nc net.Conn) *connection {
	c := &connection{sender: s, hop: hop, limits: limits, nc: nc}
	if c.to = hop.Local; hop.Target.IsValid() {
		c.to = hop.Target.Addr().Unmap().String()
	}
	c.policy = describePolicy(&hop.TLS)
	c.watch.raw = nc
	c.rd = reply.NewReader((*inbound)(c))
	c.vectored = canVector(nc)
	local := addrPort(nc.LocalAddr())
	if hop.Source.IsValid() { // the address of an external MTA is not one of this machine's
		c.from = hop.Source.Unmap().String()
	} else if local.IsValid() {
		c.from = local.Addr().Unmap().String()
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

// Opening implements delivery.Timed.
func (c *connection) Opening() monitor.Stages { return c.opening }

// Usable reports whether another mail can be sent.
func (c *connection) Usable() bool { return !c.broken && !c.closed }

// Close says QUIT and closes without waiting for the answer, unless a mail is begun or the connection is broken: then
// it only closes. Where connections are counted it waits a few seconds for the remote to close.
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
	if c.hop.Counted && !c.watch.interrupted() {
		awaitEnd(c.watch.raw, c.broken)
	}
	c.tap.Close()
	c.current.release()
	if !c.broken && c.cipher != nil {
		c.nc.Close() // says goodbye in TLS as well, which a remote that is gone already does not hear
		return nil
	}
	return c.watch.raw.Close()
}

// lastWait is for how long a remote that was told QUIT, and counts connections, may take to close.
const lastWait = 5 * time.Second

// awaitEnd waits until the remote has closed the connection, who has been told with QUIT, or learns it from the end of
// what is sent.
func awaitEnd(raw net.Conn, untold bool) {
	if untold {
		half, ok := raw.(interface{ CloseWrite() error })
		if !ok || half.CloseWrite() != nil {
			return
		}
	}
	if raw.SetReadDeadline(time.Now().Add(lastWait)) == nil {
		io.CopyN(io.Discard, raw, 1<<16) // it does not matter how it ends
	}
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
	c.hop.Monitor.Observe(&monitor.Event{Kind: monitor.Strange, Time: now(), MTA: c.hop.Source, Remote: c.hop.Target,
		Domain: c.hop.Domain, Text: text})
}

func now() time.Time { return time.Now().UTC() }

func (c *connection) enter(ctx context.Context) bool { return c.watch.begin(ctx) }

func (c *connection) leave() {
	c.watch.finish()
	if c.broken {
		c.watch.end()
	}
}

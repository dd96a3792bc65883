package smtpin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// session is one connection and what is going on there. One goroutine runs it, the backend's methods included.
type session struct {
	srv    *Server
	policy *Listener
	w      *wire.Conn
	conn   *Conn
	ctx    context.Context
	cancel context.CancelFunc
	tap    monitor.Transcript
	heard  *overheard // the mail, when somebody who watches wants to see it

	probe   bool         // a proxy asks whether we are well: there is no client
	slot    bool         // it holds a slot of the server
	counted netip.Addr   // under which the server counts it; not valid: it does not
	backend smtp.Session // nil until the client has said its name
	closing bool         // the connection ends after the replies that wait
	gone    bool         // 421 was replied
	linger  bool         // the client may still be sending: read on a little, or it may miss the last reply

	errors   int // commands that were wrong
	commands int // since the last mail

	mail    bool     // MAIL was accepted
	binary  bool     // as BINARYMIME: the mail comes in chunks, and its bytes are no lines
	rcpts   int      // recipients accepted
	names   []string // the recipients, for LMTP only
	refused bool     // a mail in chunks was refused: its other chunks are too
	secret  bool     // what makes no sense may be a secret from now on
	pending string   // a command that ended a mail in chunks, to be carried out
	dot     wire.DotReader
	chunk   wire.ChunkReader
}

func newSession(s *Server, nc net.Conn, policy *Listener) *session {
	c := &session{
		srv:    s,
		policy: policy,
		w:      wire.NewConn(nc, &s.buffers),
		conn:   NewConn(ConnInfo{Local: addrPort(nc.LocalAddr()), Remote: addrPort(nc.RemoteAddr()), Listener: policy}),
	}
	c.w.Timeout = s.timeout()
	c.ctx, c.cancel = context.WithCancel(s.base)
	return c
}

// run has the whole dialogue.
func (c *session) run() {
	defer c.w.Release()
	defer c.cancel()
	defer c.guard()
	if !c.introduce() {
		return
	}
	if !c.admit() {
		c.finish()
		return
	}
	c.observe(monitor.ClientConnected, 0, "")
	defer c.observe(monitor.ClientDisconnected, 0, "")
	defer c.logout()
	c.watch()
	defer c.tap.Close()
	c.talk()
	c.finish()
}

// talk greets the client and carries its commands out.
func (c *session) talk() {
	defer c.guard()
	c.w.SetLimit(time.Now().Add(c.srv.transactionTimeout()))
	if !c.greet() {
		return
	}
	for !c.closing {
		line, ok := c.readCommand()
		if !ok || c.w.Broken() { // a client that cannot hear the answer would send the mail again
			return
		}
		c.command(line)
	}
}

// admit refuses clients that may not connect.
func (c *session) admit() bool {
	if c.probe {
		return true
	}
	remote := c.conn.Remote().Addr()
	if e := c.srv.blocked(remote); e != nil {
		c.turnAway(e.Code, statusOf(e), e.Message)
		return false
	}
	switch {
	case !c.policy.allows(remote):
		c.turnAway(554, wire.Status{5, 7, 1}, "You may not connect from here")
	default:
		return c.count()
	}
	return false
}

// turnAway refuses a client in place of the greeting. A client that expects TLS would not understand it.
func (c *session) turnAway(code int, status wire.Status, text string) {
	c.observe(monitor.ClientRefused, code, text)
	if !c.policy.ImplicitTLS {
		c.w.Reply(code, status, text)
		c.linger = true
	}
}

// greet sees to implicit TLS and sends the greeting.
func (c *session) greet() bool {
	if c.policy.ImplicitTLS {
		config := c.srv.tlsConfig()
		if config == nil {
			c.srv.logger().Error("listener with implicit TLS has no certificate", "listener", c.policy.Name)
			return false
		}
		if c.w.StartTLS(c.ctx, config) != nil {
			return false
		}
	}
	c.conn.info.TLS = c.w.TLS()
	c.conn.info.ServerName = c.srv.serverName(c.ctx, c.conn.Local().Addr())
	text := c.srv.Greeting
	if text == "" {
		text = "ESMTP ready"
		if c.policy.LMTP {
			text = "LMTP ready"
		}
	}
	c.w.Reply(220, wire.Status{}, c.conn.ServerName()+" "+text)
	return true
}

// guard is deferred around the session: a panic of the backend ends this connection, not the server.
func (c *session) guard() {
	v := recover()
	if v == nil {
		return
	}
	c.srv.logger().Error("session panicked", "remote", c.conn.Remote().String(), "panic", fmt.Sprint(v), "stack",
		string(debug.Stack()))
	c.reply(421, wire.Status{4, 3, 0}, "Internal error, closing the connection")
	c.close()
	c.w.Flush()
}

// finish sends what waits and ends the connection so that the client gets it.
func (c *session) finish() {
	if c.w.Flush() == nil && c.linger {
		c.w.Linger(time.Second)
	}
}

// close ends the connection after the replies that wait, while the client may still be sending.
func (c *session) close() {
	c.closing, c.linger = true, true
}

// logout ends the backend's session.
func (c *session) logout() {
	defer c.guard()
	if b := c.backend; b != nil {
		c.backend = nil
		b.Logout()
	}
}

// reset forgets the mail that was begun.
func (c *session) reset() {
	c.mail, c.rcpts, c.names, c.refused = false, 0, c.names[:0], false
	c.conn.info.UTF8 = false
	if c.backend != nil {
		c.backend.Reset()
	}
}

// readCommand reads a command line; false: the connection ends.
func (c *session) readCommand() ([]byte, bool) {
	for {
		if !c.mail && c.w.Interrupted() {
			c.shutDown()
			return nil, false
		}
		c.w.Idle = !c.mail
		line, err := c.w.ReadLine(0)
		c.w.Idle = false
		switch err {
		case nil:
			return line, true
		case wire.ErrLong:
			c.secret = true // it may have been AUTH
			c.show([]byte("(a line that is too long)"))
			c.wrong(500, wire.Status{5, 5, 2}, "Line is too long")
		default:
			c.readFailed(err)
		}
		if c.closing {
			return nil, false
		}
	}
}

// readFailed ends the connection for an error of reading a line.
func (c *session) readFailed(err error) {
	switch err {
	case wire.ErrInterrupted:
		c.shutDown()
	case wire.ErrTimeout, wire.ErrDeadline:
		c.reply(421, wire.Status{4, 4, 2}, "Time-out, closing the connection")
	case wire.ErrBareLF:
		c.reply(500, wire.Status{5, 5, 2}, "Lines must end in CRLF, closing the connection")
	case wire.ErrProxyHere:
		c.notProxy()
	case wire.ErrBinary:
		c.reply(554, wire.Status{5, 5, 0}, "This is not a port for TLS from the first byte")
	}
	c.close()
}

func (c *session) shutDown() {
	c.reply(421, wire.Status{4, 3, 2}, "Server is shutting down")
	c.close()
}

// reply adds a reply to the replies that wait. The last is 421: a client that reads on would take another for that to
// its next command.
func (c *session) reply(code int, status wire.Status, text string) {
	if c.gone {
		return
	}
	c.gone = code == 421
	c.w.Reply(code, status, text)
}

// wrong replies to a command that was wrong, and ends the connection when there were too many.
func (c *session) wrong(code int, status wire.Status, text string) {
	c.reply(code, status, text)
	c.errors++
	if c.errors >= cmp.Or(c.srv.MaxErrors, 20) {
		c.reply(421, wire.Status{4, 7, 0}, "Too many errors, closing the connection")
		c.close()
	}
}

// refuse replies with the error of a backend and tells the monitor.
func (c *session) refuse(err error) {
	c.refuseWith(err, errLocal)
}

var errLocal = &smtp.SMTPError{
	Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Local error, try again later",
}

// refuseWith refuses with a reply of its own for errors that are none.
func (c *session) refuseWith(err error, unknown *smtp.SMTPError) {
	if c.gone {
		return
	}
	e := c.replyTo(err, unknown)
	c.observe(monitor.CommandRefused, e.Code, e.Message)
	c.replyWith(e)
}

// replyTo returns the reply that an error of the backend stands for. Text of errors that are no replies is for the log,
// not for the client.
func (c *session) replyTo(err error, unknown *smtp.SMTPError) *smtp.SMTPError {
	var e *smtp.SMTPError
	if errors.As(err, &e) && e != nil && e.Code >= 400 && e.Code <= 599 {
		return e
	}
	if !c.w.Broken() {
		c.srv.logger().Warn("backend failed", "remote", c.conn.Remote().String(), "error", err)
	}
	return unknown
}

// replyWith replies with a backend's reply. After 421 the connection is closed (RFC 5321 §3.8).
func (c *session) replyWith(e *smtp.SMTPError) {
	c.reply(e.Code, statusOf(e), e.Message)
	if e.Code == 421 {
		c.close()
	}
}

// statusOf returns the enhanced code of a reply: X.0.0 where none was set, as go-smtp's server does.
func statusOf(e *smtp.SMTPError) wire.Status {
	switch e.EnhancedCode {
	case smtp.NoEnhancedCode:
		return wire.Status{}
	case smtp.EnhancedCodeNotSet:
		if class := e.Code / 100; class == 2 || class == 4 || class == 5 {
			return wire.Status{class, 0, 0}
		}
	}
	return wire.Status(e.EnhancedCode)
}

// observe tells the monitor of an event. Probes do not count.
func (c *session) observe(kind monitor.Kind, code int, text string) {
	if c.probe {
		return
	}
	c.srv.monitor().Observe(&monitor.Event{
		Kind: kind, Time: time.Now(), MTA: c.conn.Local().Addr(), Remote: c.conn.Remote(), Code: code, Text: text,
	})
}

// startTLS begins TLS and starts anew (RFC 3207 §4.2).
func (c *session) startTLS(config *tls.Config) {
	c.reply(220, wire.Status{2, 0, 0}, "Ready to start TLS")
	if c.w.StartTLS(c.ctx, config) != nil {
		c.closing = true
		return
	}
	c.reset()
	c.logout()
	c.conn.info.TLS = c.w.TLS()
	c.conn.info.Hostname, c.conn.info.User, c.conn.info.HELO = "", "", false
}

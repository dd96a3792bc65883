package smtpout

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// oneFlight is the size up to which a mail is begun behind another one, or goes by BDAT together with its envelope,
// before the remote has agreed to that. Beyond it a round trip more does not count.
const oneFlight = 1 << 20

// steps are the commands of an envelope.
var steps = [...]queue.ResultState{queue.StateMailFrom, queue.StateRcptTo, queue.StateData}

// Deliver sends tx; doc.go tells how.
func (c *connection) Deliver(ctx context.Context, tx, next *delivery.Transaction) {
	if len(tx.With) > 0 {
		c.deliverTogether(ctx, tx)
		return
	}
	tx.Result, tx.Text, tx.Unsent, tx.Delivered, tx.Elsewhere = queue.Result{}, "", false, false, false
	tx.Stages = monitor.Stages{}
	begun := c.ahead.tx == tx
	if !begun {
		c.abandon()
	}
	if !c.Usable() || !c.enter(ctx) {
		c.broken = true
		c.abandon()
		c.unsent(tx, queue.StateIdle, "the connection is of no more use")
		return
	}
	m := &c.current
	if begun {
		c.current, c.ahead = c.ahead, mail{}
	}
	took := stopwatch{begun: time.Now()}
	if (begun || c.begin(m, tx)) && c.envelope(m) {
		took.enveloped = time.Now()
		c.message(m, next)
	}
	if m.number > 0 {
		tx.Stages = took.stages(tx.Result.Time)
	}
	if c.broken {
		c.abandon()
	}
	m.release()
	c.leave()
}

// stopwatch tells how long the parts of a mail took.
type stopwatch struct{ begun, enveloped time.Time }

// stages returns the parts of a mail that ended then.
func (s *stopwatch) stages(end time.Time) monitor.Stages {
	if s.enveloped.IsZero() || end.Before(s.enveloped) {
		return monitor.Stages{Envelope: end.Sub(s.begun)}
	}
	return monitor.Stages{Envelope: s.enveloped.Sub(s.begun), Mail: end.Sub(s.enveloped)}
}

// lockstep reports whether each command waits for the reply to the one before.
func (c *connection) lockstep() bool { return c.sender.NoPipelining || !c.ext.pipelining || c.slow }

// begin sends the first flight of a mail: its whole envelope, where the remote takes that. False means that the mail is
// settled.
func (c *connection) begin(m *mail, tx *delivery.Transaction) bool {
	if f := c.prepare(m, tx); f != nil {
		c.decline(tx, f)
		return false
	}
	if !c.precede(m) {
		return false
	}
	if c.lockstep() {
		return c.resetNow(m)
	}
	c.out = c.appendEnvelope(c.out, m)
	var err error
	if m.together = m.chunked && m.shape.size <= oneFlight; m.together {
		c.out = appendBDAT(c.out, m)
		err = c.sendMail(m, nil)
	} else {
		err = c.flush()
	}
	if err != nil {
		c.stopped(m, queue.StateMailFrom, err)
	}
	return err == nil
}

// precede counts a mail, and puts the RSET that is due before it. False means that the remote ended the session.
func (c *connection) precede(m *mail) bool {
	if c.ignored == 0 && c.rd.Buffered() > 0 { // a farewell, most likely
		c.broken = true
		c.unsent(m.tx, queue.StateIdle, "the remote spoke unasked")
		return false
	}
	c.messages++
	m.number = c.messages
	if c.mustReset {
		c.out = append(c.out, "RSET\r\n"...)
		c.ignored++
		c.mustReset, c.resetAsked = false, true
	}
	return true
}

// resetNow sends a RSET that is due and waits for its reply.
func (c *connection) resetNow(m *mail) bool {
	err := c.flush()
	if err == nil {
		err = c.skipReplies()
	}
	if err != nil {
		c.part(m, queue.StateMailFrom, err, true)
	}
	return err == nil
}

// appendEnvelope appends all commands of an envelope.
func (c *connection) appendEnvelope(dst []byte, m *mail) []byte {
	for _, state := range steps {
		dst = c.appendStep(dst, m, state)
	}
	return dst
}

func (c *connection) appendStep(dst []byte, m *mail, state queue.ResultState) []byte {
	switch {
	case state == queue.StateMailFrom:
		return c.appendMail(dst, m)
	case state == queue.StateRcptTo:
		return c.appendRcpt(dst, m)
	case m.chunked:
		return dst
	}
	return append(dst, "DATA\r\n"...)
}

func appendBDAT(dst []byte, m *mail) []byte {
	dst = append(dst, "BDAT "...)
	dst = strconv.AppendInt(dst, m.shape.size, 10)
	return append(dst, " LAST\r\n"...)
}

// replies is what the remote made of an envelope.
type replies struct {
	opened   bool // it accepted MAIL
	rejected bool // it refused something; the mail is settled
	ready    bool // it waits for the mail
}

// envelope reads the replies to an envelope, whose commands it sends one by one where the remote wants it so. It
// reports whether the mail may follow; otherwise the mail is settled.
func (c *connection) envelope(m *mail) bool {
	var r replies
	for _, state := range steps {
		if state == queue.StateData && m.chunked {
			break
		}
		if c.lockstep() {
			if r.rejected {
				break
			}
			c.out = c.appendStep(c.out, m, state)
			if err := c.flush(); err != nil {
				c.stopped(m, state, err)
				return false
			}
		}
		if !c.step(m, state, &r) {
			return false
		}
	}
	if r.rejected {
		c.withdraw(m, &r)
	}
	return !r.rejected
}

// step reads the reply to one command of an envelope. False means that the connection is of no more use.
func (c *connection) step(m *mail, state queue.ResultState, r *replies) bool {
	if err := c.skipReplies(); err != nil {
		c.part(m, state, err, true)
		return false
	}
	limit := c.limits.command
	if state == queue.StateData {
		limit = c.limits.data
	}
	code, err := c.await(limit)
	if err != nil && isTimeout(err) && !c.lockstep() {
		c.sender.liars.add(c.hop.Target, struct{}{}, time.Now())
	}
	switch {
	case err != nil && !r.rejected:
		c.part(m, state, err, c.spared(m, state, err))
	case err != nil:
	case state == queue.StateData && code == 354:
		r.ready = true
	case state != queue.StateData && code/100 == 2:
		r.opened = r.opened || state == queue.StateMailFrom
	default:
		outcome := verdict(code)
		// Nonsense behind a refusal means that replies and commands are out of step, as after a second reply to the
		// mail before: the refusal may have been another mail's.
		if !r.rejected || outcome == queue.Invalid {
			c.judge(m, state, outcome, code)
		}
		r.rejected = true
		c.broken = c.broken || outcome == queue.Invalid
	}
	return !c.broken
}

// spared reports whether a mail whose envelope met with err was not touched by that: the remote closed a connection
// that was used before, as some do after so many mails, and nothing of the content had gone; or we broke it off.
func (c *connection) spared(m *mail, state queue.ResultState, err error) bool {
	if c.watch.interrupted() {
		return true
	}
	outcome, _ := c.explain(err)
	return m.number > 1 && outcome == queue.Lost && (state == queue.StateMailFrom || !m.together)
}

// withdraw puts the remote back to where it takes another envelope, after it refused part of one.
func (c *connection) withdraw(m *mail, r *replies) {
	if m.together {
		c.ignored++ // the reply to BDAT, whatever it is
	}
	switch {
	case r.ready && c.sender.LMTP: // it has as many replies to a mail as recipients: whether one comes is open
		c.broken = true
	case r.ready: // RFC 2920 §3.1: it has no recipients and still wants a mail; it gets an empty one
		c.out = append(c.out, ".\r\n"...)
		c.ignored++
		if err := c.flush(); err != nil {
			c.broken = true
		}
	case r.opened:
		c.mustReset = true
	}
}

var errOutOfStep = errors.New("the remote refused RSET")
var errFarewell = errors.New("the remote ended the session")

// skipReplies reads the replies that concern no mail.
func (c *connection) skipReplies() error {
	for c.ignored > 0 {
		code, err := c.await(c.limits.command)
		if err != nil {
			return err
		}
		if c.broken {
			return errFarewell
		}
		if c.ignored--; c.ignored > 0 || !c.resetAsked {
			continue
		}
		if c.resetAsked = false; code/100 != 2 {
			c.broken = true
			return errOutOfStep
		}
	}
	return nil
}

// frame puts what stands before the mail itself and behind it.
func (c *connection) frame(m *mail) {
	m.start = c.written
	c.tail = c.tail[:0]
	if m.chunked {
		c.out = appendBDAT(c.out, m)
	} else {
		c.tail = appendEnd(c.tail, m)
	}
}

// message sends the mail itself, and with it the envelope of next, and reads the reply to it.
func (c *connection) message(m *mail, next *delivery.Transaction) {
	if !m.together {
		c.frame(m)
		c.beginNext(next)
		if err := c.sendMail(m, c.tail); err != nil {
			c.stopped(m, queue.StateMessage, err)
			return
		}
	}
	m.sent = true
	code, err := c.await(c.limits.message)
	switch {
	case err != nil:
		c.part(m, queue.StateMessage, err, false)
	case code/100 == 2:
		c.judge(m, queue.StateMessage, queue.Accepted, code)
		m.tx.Delivered = c.sender.LMTP && !c.ext.dsn
	default:
		outcome := verdict(code)
		c.broken = c.broken || outcome == queue.Invalid
		c.judge(m, queue.StateMessage, outcome, code)
	}
}

// appendEnd ends a mail. Where it goes through a stuffer, that ends the last line.
func appendEnd(dst []byte, m *mail) []byte {
	if m.memory != nil && m.shape.plain() && !m.shape.ended {
		dst = append(dst, "\r\n"...)
	}
	return append(dst, ".\r\n"...)
}

// beginNext puts the envelope of the next mail behind the running one. A mail that cannot be sent, or goes by BDAT and
// so in a flight of its own, or is so large that looking through it would hold up the running one, is left to its own
// Deliver.
func (c *connection) beginNext(next *delivery.Transaction) {
	if next == nil || next == c.current.tx || c.lockstep() || next.Body == nil || next.Body.Size() > oneFlight {
		return
	}
	if c.prepare(&c.ahead, next) != nil {
		return
	}
	if c.ahead.chunked {
		c.ahead.release()
		return
	}
	c.messages++
	c.ahead.number = c.messages
	c.tail = c.appendEnvelope(c.tail, &c.ahead)
}

// stopped settles a mail during which writing failed. What the remote said last counts, if it said something.
func (c *connection) stopped(m *mail, state queue.ResultState, err error) {
	c.out = c.out[:0]
	switch {
	case isReadError(err):
		c.broken = true
		f := unreadable(err)
		r := c.settle(m, f.state, f.outcome())
		r.Code, r.Status, r.Description = f.code, f.status, f.text
	case c.watch.interrupted():
		c.part(m, state, err, true)
	case c.ignored > 0, state == queue.StateMailFrom && m.number > 1:
		c.part(m, state, err, true)
	default:
		if code, ok := c.lastWords(); ok && code >= 400 {
			c.judge(m, state, queue.Error, code)
		} else {
			c.part(m, state, err, false)
		}
	}
}

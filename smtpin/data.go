package smtpin

import (
	"io"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// mailReader is the mail that a client sends, however it does.
type mailReader interface {
	io.Reader
	io.WriterTo
	Size() int64
	Failed() error
}

// hasMail reports whether a mail may be sent now, and says why not.
func (c *session) hasMail() bool {
	switch {
	case !c.mail:
		c.wrong(503, wire.Status{5, 5, 1}, "Begin a mail with MAIL first")
	case c.rcpts == 0:
		c.wrong(503, wire.Status{5, 5, 1}, "Mail has no valid recipients")
	default:
		return true
	}
	return false
}

// data carries out DATA.
func (c *session) data(args string) {
	if args != "" {
		c.wrong(501, wire.Status{5, 5, 4}, "DATA takes no arguments")
		return
	}
	if !c.hasMail() {
		return
	}
	if c.binary {
		c.wrong(503, wire.Status{5, 5, 1}, "BINARYMIME comes by BDAT") // RFC 3030 §3
		return
	}
	c.reply(354, wire.Status{}, "End the mail with <CR><LF>.<CR><LF>")
	c.dot.Data(c.w, c.srv.LineEnds, c.srv.maxSize())
	answer, err := c.deliver(&c.dot)
	if drained := c.dot.Drain(); drained != nil {
		c.cutOff(drained)
		return
	}
	c.showMail(c.dot.Size())
	if failed := c.dot.Failed(); failed != nil {
		err = failed
	}
	c.answer(answer, err)
	c.ended(err == nil)
}

// cutOff ends the connection after a mail that did not come to its end: what the client still sends is no command.
func (c *session) cutOff(err error) {
	c.closing = true
	switch err {
	case wire.ErrTimeout, wire.ErrDeadline:
		c.reply(421, wire.Status{4, 4, 2}, "Time-out, closing the connection")
	case wire.ErrAbusive:
		c.refuse(wire.ErrTooLarge)
		c.close()
	}
}

// ended starts anew after a mail.
func (c *session) ended(accepted bool) {
	if accepted {
		c.commands = 0
	}
	c.w.SetLimit(time.Now().Add(c.srv.transactionTimeout()))
	c.reset()
}

// answers are the replies to a mail: one, or with LMTP one for each recipient.
type answers struct {
	one  *smtp.SMTPError // nil: a plain 250
	each []error         // LMTP, when the session says so
}

// deliver gives the mail to the backend.
func (c *session) deliver(r mailReader) (answers, error) {
	r = c.overhear(r)
	if c.policy.LMTP {
		if s, ok := c.backend.(smtp.LMTPSession); ok {
			return c.deliverEach(s, r)
		}
	}
	if s, ok := c.backend.(DataSession); ok {
		reply, err := s.DataReply(c.ctx, r)
		return answers{one: reply}, err
	}
	return answers{}, c.backend.Data(r)
}

// answer replies to a mail.
func (c *session) answer(a answers, err error) {
	if c.policy.LMTP {
		c.answerEach(a, err)
		return
	}
	if err != nil {
		c.refuse(err)
		return
	}
	c.accept(a.one)
}

// accept replies to a mail that was taken.
func (c *session) accept(reply *smtp.SMTPError) {
	if reply == nil || reply.Code < 200 || reply.Code > 299 {
		c.reply(250, wire.Status{2, 0, 0}, "Mail accepted")
		return
	}
	c.replyWith(reply)
}

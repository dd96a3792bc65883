package smtpin

import (
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// ready reports whether the client may begin a mail, and says why not.
func (c *session) ready() bool {
	switch {
	case c.backend == nil:
		c.wrong(503, wire.Status{5, 5, 1}, "Say EHLO first")
	case c.probe:
		c.wrong(554, wire.Status{5, 7, 1}, "The PROXY header names no client")
	case c.policy.RequireTLS && c.conn.info.TLS == nil:
		c.wrong(530, wire.Status{5, 7, 0}, "Begin TLS with STARTTLS first")
	case c.policy.RequireAuth && c.conn.info.User == "" && !c.mayAuth() && c.conn.MayStartTLS():
		c.wrong(530, wire.Status{5, 7, 0}, "Begin TLS with STARTTLS and log in with AUTH first")
	case c.policy.RequireAuth && c.conn.info.User == "":
		c.wrong(530, wire.Status{5, 7, 0}, "Log in with AUTH first")
	case c.mail:
		c.wrong(503, wire.Status{5, 5, 1}, "A mail has been begun already")
	default:
		return true
	}
	return false
}

// mailFrom carries out MAIL.
func (c *session) mailFrom(args string) {
	if !c.ready() {
		return
	}
	path, ok := cutPrefixFold(args, "FROM:")
	if !ok {
		c.wrong(501, wire.Status{5, 5, 4}, "Expected MAIL FROM:<address>")
		return
	}
	from, rest, err := addr.ParsePath(strings.TrimLeft(path, " "), c.mode(false))
	if err != nil {
		c.badAddress(err, wire.Status{5, 1, 7})
		return
	}
	opts := &MailOptions{}
	if e := c.mailParams(opts, rest); e != nil {
		c.badParam(e)
		return
	}
	if from != "" {
		if from, err = c.checkAddress(from, opts.UTF8); err != nil {
			c.badAddress(err, wire.Status{5, 1, 7})
			return
		}
	}
	c.conn.info.UTF8 = opts.UTF8
	asked := opts.Priority
	if m, ok := c.backend.(MailSession); ok {
		err = m.MailContext(c.ctx, from, opts)
	} else {
		err = c.backend.Mail(from, &opts.MailOptions)
	}
	if err != nil {
		c.conn.info.UTF8 = false
		c.refuse(err)
		return
	}
	c.mail, c.refused, c.binary = true, false, opts.Body == smtp.BodyBinaryMIME
	c.acceptSender(asked, opts.Priority)
}

// rcptTo carries out RCPT.
func (c *session) rcptTo(args string) {
	if !c.mail {
		c.wrong(503, wire.Status{5, 5, 1}, "Begin a mail with MAIL first")
		return
	}
	path, ok := cutPrefixFold(args, "TO:")
	if !ok {
		c.wrong(501, wire.Status{5, 5, 4}, "Expected RCPT TO:<address>")
		return
	}
	to, rest, err := addr.ParsePath(strings.TrimLeft(path, " "), c.mode(false))
	if err == nil && to == "" {
		err = addr.ErrPath
	}
	postmaster := strings.EqualFold(to, "postmaster")
	if err == nil {
		to, err = c.checkAddress(to, c.conn.info.UTF8)
	}
	if err != nil {
		c.badAddress(err, wire.Status{5, 1, 3})
		return
	}
	opts := &smtp.RcptOptions{}
	if e := c.rcptParams(opts, rest); e != nil {
		c.badParam(e)
		return
	}
	if c.rcpts >= c.srv.maxRecipients() {
		c.refuse(errTooManyRecipients)
		return
	}
	c.conn.info.Postmaster = postmaster
	if m, ok := c.backend.(MailSession); ok {
		err = m.RcptContext(c.ctx, to, opts)
	} else {
		err = c.backend.Rcpt(to, opts)
	}
	c.conn.info.Postmaster = false
	if err != nil {
		c.refuse(err)
		return
	}
	c.rcpts++
	if c.policy.LMTP {
		c.names = append(c.names, to)
	}
	c.reply(250, wire.Status{2, 1, 5}, "Recipient accepted")
}

var errTooManyRecipients = &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 5, 3},
	Message: "Too many recipients"}

// mode returns how addresses are judged.
func (c *session) mode(utf8 bool) addr.Mode {
	mode := addr.Loose
	if c.srv.Strict {
		mode = addr.Strict
	}
	if utf8 {
		mode |= addr.UTF8
	}
	return mode
}

// checkAddress completes an address with a domain and judges it.
func (c *session) checkAddress(a string, utf8 bool) (string, error) {
	if _, domain := addr.Split(a); domain == "" && !strings.HasSuffix(a, "@") {
		switch {
		case c.srv.DefaultDomain != "":
			a += "@" + c.srv.DefaultDomain
		case strings.EqualFold(a, "postmaster"): // RFC 5321 §4.1.1.3
			a += "@" + c.conn.ServerName()
		}
	}
	_, _, err := addr.Parse(a, c.mode(utf8))
	return a, err
}

// badAddress refuses an address.
func (c *session) badAddress(err error, status wire.Status) {
	code, text := 501, "Malformed address"
	switch {
	case err == addr.ErrNotASCII:
		code, status, text = 553, wire.Status{5, 6, 7}, "Addresses beyond ASCII need SMTPUTF8" // RFC 6531 §3.5
	default:
		if e, ok := err.(addr.Error); ok {
			text = string(e)
		}
	}
	c.observe(monitor.CommandRefused, code, text)
	c.wrong(code, status, text)
}

// badParam refuses a parameter of MAIL or RCPT.
func (c *session) badParam(e *smtp.SMTPError) {
	c.observe(monitor.CommandRefused, e.Code, e.Message)
	c.wrong(e.Code, statusOf(e), e.Message)
}

// cutPrefixFold cuts an ASCII prefix in any case.
func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

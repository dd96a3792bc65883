package smtpin

import (
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// MailOptions are the parameters of MAIL.
type MailOptions struct {
	smtp.MailOptions

	// Priority is MT-PRIORITY (RFC 6710), -9 to 9, higher goes first; nil: nothing was said. A session that takes the
	// mail with another one writes that here, and the client is told.
	Priority *int
	// HoldUntil is HOLDFOR or HOLDUNTIL (RFC 4865): the mail must not go before; zero: nothing was said.
	HoldUntil time.Time
	// DeliverBy is BY (RFC 2852); nil: nothing was said.
	DeliverBy *DeliverBy
}

// DeliverBy is by when a mail is to be delivered, and what is to be done when it is not (RFC 2852).
type DeliverBy struct {
	Time   time.Time // may be over already, unless Return is set
	Return bool      // by-mode R: the mail fails then; false, N: its sender is told
	Trace  bool      // the sender is told of each server that takes the mail
}

// offersHold reports whether a mail may be handed in for later: by clients that may relay, or could log in.
func (c *session) offersHold() bool {
	return c.srv.MaxHold > 0 && (c.conn.Trusted() || len(c.mechanisms()) > 0 && c.mayAuth())
}

// extensionParam reads the parameters of extensions that say when a mail is to go.
func (c *session) extensionParam(opts *MailOptions, key, value string) *smtp.SMTPError {
	switch {
	case key == "MT-PRIORITY" && c.srv.MTPriority:
		return priorityParam(opts, value)
	case key == "BY" && c.srv.DeliverBy:
		return c.byParam(opts, value)
	case (key == "HOLDFOR" || key == "HOLDUNTIL") && c.srv.MaxHold > 0:
		return c.holdParam(opts, key, value)
	}
	return unknownParam(key)
}

// priorityParam reads MT-PRIORITY= (RFC 6710 §3).
func priorityParam(opts *MailOptions, value string) *smtp.SMTPError {
	n, ok := ParsePriority(value)
	if !ok {
		return badValue("MT-PRIORITY")
	}
	opts.Priority = &n
	return nil
}

// ParsePriority reads a priority as MT-PRIORITY and the header field MT-Priority have it: a digit, perhaps with a
// minus.
func ParsePriority(s string) (n int, ok bool) {
	digit := strings.TrimPrefix(s, "-")
	if len(digit) != 1 || digit[0] < '0' || digit[0] > '9' || s == "-0" {
		return 0, false
	}
	n = int(digit[0] - '0')
	if digit != s {
		n = -n
	}
	return n, true
}

// holdParam reads HOLDFOR= and HOLDUNTIL= (RFC 4865 §5). A time that is over already holds nothing.
func (c *session) holdParam(opts *MailOptions, key, value string) *smtp.SMTPError {
	now := time.Now()
	until, err := time.Time{}, error(nil)
	if key == "HOLDUNTIL" {
		until, err = time.Parse(time.RFC3339, value)
	} else {
		var seconds uint64
		seconds, err = strconv.ParseUint(value, 10, 32)
		until = now.Add(time.Duration(seconds) * time.Second)
		if seconds == 0 || len(value) > 9 {
			return badValue(key)
		}
	}
	switch {
	case err != nil, until.IsZero(), !opts.HoldUntil.IsZero():
		return badValue(key)
	case !c.conn.Trusted():
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0},
			Message: "Log in with AUTH first: " + key + " is for clients that have"}
	case until.Sub(now) > c.srv.MaxHold:
		return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 4},
			Message: key + " is too far away: mail is held for " + seconds(c.srv.MaxHold) + " seconds at most"}
	}
	opts.HoldUntil = until.UTC()
	return nil
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// byParam reads BY= (RFC 2852 §4).
func (c *session) byParam(opts *MailOptions, value string) *smtp.SMTPError {
	text, mode, ok := strings.Cut(value, ";")
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || len(strings.TrimLeft(text, "+-")) > 9 {
		return badValue("BY")
	}
	by := DeliverBy{Time: time.Now().Add(time.Duration(n) * time.Second).UTC()}
	switch strings.ToUpper(mode) {
	case "N":
	case "NT":
		by.Trace = true
	case "R":
		by.Return = true
	case "RT":
		by.Return, by.Trace = true, true
	default:
		return badValue("BY")
	}
	switch {
	case by.Return && n <= 0:
		return badValue("BY")
	case by.Return && time.Duration(n)*time.Second < c.srv.MinDeliverBy:
		return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 4},
			Message: "BY is too soon: delivery takes up to " + seconds(c.srv.MinDeliverBy) + " seconds"}
	}
	opts.DeliverBy = &by
	return nil
}

// acceptSender replies to MAIL, and tells of a priority that is not the one asked for (RFC 6710 §4.1).
func (c *session) acceptSender(asked, given *int) {
	if asked != nil && given != nil && *asked != *given {
		c.reply(250, wire.Status{2, 3, 6}, strconv.Itoa(*given)+" is the priority that this mail gets")
		return
	}
	c.reply(250, wire.Status{2, 1, 0}, "Sender accepted")
}

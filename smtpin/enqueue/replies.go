package enqueue

import (
	"errors"
	"net/netip"
	"strconv"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin"
)

// replyError is a reply with the reason that the client is not told.
type replyError struct {
	reply *smtp.SMTPError
	cause error
}

func (e *replyError) Error() string   { return e.reply.Message + ": " + e.cause.Error() }
func (e *replyError) Unwrap() []error { return []error{e.reply, e.cause} }

func refuse(code int, enhanced smtp.EnhancedCode, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// Refusals. They are made anew each time, since the caller may change them.

// blockedSender returns the refusal of a sender that is blocked, or nil.
func (b *Backend) blockedSender(address string) error {
	if b.BlockedSender == nil || address == "" {
		return nil
	}
	e := b.BlockedSender(address)
	if e == nil {
		return nil
	}
	return smtpin.Refusal(e, "Mail from this sender is not accepted")
}

func authNeeded() error {
	return refuse(530, smtp.EnhancedCode{5, 7, 0}, "Authentication required to send to this address")
}

func tlsNeeded() error {
	return refuse(530, smtp.EnhancedCode{5, 7, 0},
		"Authentication required to send to this address: begin TLS with STARTTLS first")
}

func relayDenied() error {
	return refuse(550, smtp.EnhancedCode{5, 7, 1}, "Relaying denied: this address is not local")
}

func notOurs() error {
	return refuse(550, smtp.EnhancedCode{5, 1, 1}, "No mail left here with this return path")
}

func apart() error {
	return refuse(452, smtp.EnhancedCode{4, 5, 3}, "Send to this recipient in a transaction of its own")
}

func mailLoop() error {
	return refuse(554, smtp.EnhancedCode{5, 4, 6}, "Mail loop: more than 100 Received header fields")
}

func tooManyAtOnce() error {
	return refuse(452, smtp.EnhancedCode{4, 3, 1}, "Too many mails at once for a header of this size, try again later")
}

func headerTooLarge() error {
	return refuse(552, smtp.EnhancedCode{5, 3, 4}, "Header is larger than 256 KiB")
}

func tooManyFields() error {
	return refuse(554, smtp.EnhancedCode{5, 6, 0}, "Header has more than 10000 fields")
}

func noRecipients() error {
	return refuse(503, smtp.EnhancedCode{5, 5, 1}, "No recipients")
}

func clientListed(client netip.Addr, zone, reason string) error {
	text := "Your address " + client.Unmap().String() + " is listed by " + zone
	if reason != "" && reason != "listed by "+zone {
		text += ": " + reason
	}
	return refuse(554, smtp.EnhancedCode{5, 7, 1}, text)
}

func virusFound(signature string) error {
	return refuse(554, smtp.EnhancedCode{5, 7, 1}, "This mail carries a virus: "+signature)
}

func tooMuchSpam(score float64) error {
	return refuse(554, smtp.EnhancedCode{5, 7, 1},
		"This mail looks like spam: score "+strconv.FormatFloat(score, 'f', -1, 64))
}

func dmarcRejects(domain string) error {
	return refuse(550, smtp.EnhancedCode{5, 7, 1}, "The DMARC policy of "+domain+" has this mail rejected")
}

// unscanned refuses mail without a verdict of the virus scanner; nil when there is one.
func unscanned(v checks.Verdict) error {
	switch v {
	case checks.Pass, checks.Fail:
		return nil
	case checks.PermError:
		return refuse(552, smtp.EnhancedCode{5, 3, 4}, "This mail cannot be scanned for viruses")
	}
	return refuse(451, smtp.EnhancedCode{4, 7, 1}, "The virus scanner cannot be asked, try again later")
}

func shuttingDown() error {
	return refuse(421, smtp.EnhancedCode{4, 3, 2}, "Server is shutting down")
}

// queueReply makes a reply of an error of the queue or of the spool.
func queueReply(err error) error {
	code, enhanced, text := 451, smtp.EnhancedCode{4, 3, 0}, "Mail queue is unavailable, try again later"
	switch {
	case errors.Is(err, queue.ErrFull):
		code, enhanced, text = 452, smtp.EnhancedCode{4, 3, 1}, "Insufficient storage, try again later"
	case errors.Is(err, queue.ErrTooLarge):
		code, enhanced, text = 552, smtp.EnhancedCode{5, 3, 4}, "Message is too large for the mail queue"
	}
	return &replyError{refuse(code, enhanced, text), err}
}

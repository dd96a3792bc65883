package smtpin

import (
	"context"
	"io"

	"github.com/emersion/go-smtp"
)

// Backend makes a session for each connection that was let in.
type Backend interface {
	// NewSession is called when the client has said EHLO, HELO or LHLO, and again after STARTTLS. ctx ends with the
	// connection. An *smtp.SMTPError becomes the reply; any other error a 451 that does not show its text.
	NewSession(ctx context.Context, c *Conn) (smtp.Session, error)
}

// BackendFunc is a function as a Backend.
type BackendFunc func(ctx context.Context, c *Conn) (smtp.Session, error)

// NewSession calls f.
func (f BackendFunc) NewSession(ctx context.Context, c *Conn) (smtp.Session, error) {
	return f(ctx, c)
}

// Sessions are those of github.com/emersion/go-smtp: Session, and its add-ons AuthSession and LMTPSession. Reset is
// called after each mail, whatever became of it, and Logout once at the end.
//
// An address reaches a session as the client wrote it, a quoted local part with its quotes. When the reader of a mail
// fails, the session returns that error, wrapped or not; the mail is refused or the connection closed in any case.
//
// A session may also have the following powers.

// DataSession is the add-on of a session whose mail is answered with a reply of its own, such as one line for each
// recipient. It is used instead of Data.
type DataSession interface {
	smtp.Session
	// DataReply consumes r and returns the reply to a mail that was taken: a code of 2yz, a message of one or more
	// lines separated by "\n". A nil reply is a plain 250. Errors are treated as those of Data.
	//
	// r also implements io.WriterTo, which writes the unstuffed mail in large pieces straight from the connection's
	// buffer: io.Copy uses it.
	//
	// Over LMTP, where each recipient gets a reply, a message of one line and one more for each recipient is dealt out
	// among them; any other is given to all. A session that has LMTPData is asked for that instead.
	DataReply(ctx context.Context, r io.Reader) (*smtp.SMTPError, error)
}

// MailSession is the add-on of a session that wants the context of the connection for MAIL and RCPT, and all parameters
// of MAIL. Its methods are used instead of Mail and Rcpt.
type MailSession interface {
	smtp.Session
	MailContext(ctx context.Context, from string, opts *MailOptions) error
	RcptContext(ctx context.Context, to string, opts *smtp.RcptOptions) error
}

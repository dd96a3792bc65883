package delivery

import (
	"context"
	"net/netip"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// Sender makes connections over which mail leaves. smtpout is the one for SMTP.
type Sender interface {
	// Open connects to a hop and brings the connection to where a mail can be sent: greeted, secured, logged in.
	// An error is a *Failure.
	Open(ctx context.Context, hop *Hop) (Connection, error)
}

// Connection is an open connection. Its methods are for one goroutine.
type Connection interface {
	// Deliver sends tx and returns when its outcome stands in tx.Result. A next that is not nil may be begun in the
	// same flights; it must be the tx of the following call, or be given up by Close. A next that was begun and whose
	// connection then breaks before the mail itself went is marked Unsent. When ctx ends the connection breaks off.
	Deliver(ctx context.Context, tx, next *Transaction)
	// Usable reports whether another mail can be sent over the connection.
	Usable() bool
	// Idle waits until ctx ends or the remote says something or closes, and reports whether the connection is still
	// usable.
	Idle(ctx context.Context) bool
	// Close says QUIT, where that makes sense, without waiting long for the answer, and closes.
	Close() error
}

// Limited is the add-on of a connection that sends a mail to several recipients, and whose remote may announce what it
// takes.
type Limited interface {
	Limits() Announced
}

// Timed is the add-on of a connection that knows how long making it took.
type Timed interface {
	Opening() monitor.Stages
}

// Announced is what a remote says that it takes (RFC 9422); zero: it says nothing of that.
type Announced struct {
	Mails      int // over one connection
	Recipients int // of one mail; 1: mails go one by one
	Domains    int // of recipients, over one connection
}

// Hop says where to connect to, from where, and how.
type Hop struct {
	Source   netip.Addr     // local address to bind to; zero: the system's choice
	Target   netip.AddrPort // address to connect to; zero: Local needs none
	Local    string         // as in Host: how mail gets into a mailbox here; empty: by SMTP
	Host     string         // name of the target's host, for SNI and the certificate
	Domain   string         // site or recipient domain, for transcripts and verification
	Hostname string         // our name in EHLO
	Security queue.Security // zero: opportunistic
	// TLS is what the owner of the domain or host publishes: more than Security, never less.
	TLS TLSPolicy
	// RequireTLS has mail go with REQUIRETLS (RFC 8689 §4.2.1): over TLS with a certificate that is valid for the host,
	// to a host that offers it, or not at all.
	RequireTLS bool
	// Vouched is what Route.Vouches says of the host.
	Vouched bool
	// with security verified: the certificate must be valid for one of these; nil: Host and Domain
	CertNames   []string
	Credentials *Credentials // nil: no AUTH
	Timeouts    throttle.Timeouts
	Monitor     monitor.Monitor // nil: none; its taps get the transcript
	// Counted says that connections to the target are limited: Close has to wait, for a moment, until the remote has
	// closed as well, since the next connection may follow at once and the remote may count them.
	Counted bool
}

// Credentials log in at a smarthost. String masks the password.
type Credentials struct {
	Username, Password string
	// Plaintext allows AUTH over a connection without TLS.
	Plaintext bool
}

// String returns the user name and a mask.
func (c *Credentials) String() string { return c.Username + ":********" }

// Transaction is one mail to one recipient on its way over a connection.
type Transaction struct {
	Message *queue.Message
	// Body is what goes over the wire: the message's own, or what signing and editing made of it.
	Body queue.Body
	// ReturnPath is what MAIL FROM says; "": the message's envelope.
	ReturnPath string
	// EnvID goes with MAIL FROM where the remote speaks DSN and the message has none of its own; "": none.
	EnvID string
	// With are transactions of mails to others that are the same: they go together with this one, as a single mail with
	// several recipients. Each has what this one has, its own message, and its own result. Only connections that are
	// Limited get them.
	With []*Transaction
	// Finisher makes the mail anew when the remote can only get it changed; nil: Body itself may be changed.
	Finisher Finisher

	// Result is filled in by Deliver: state, result, code, status, description, to, mta, sent, cipher and so on.
	Result queue.Result
	// Unsent says that the connection ended before the remote had any part in the outcome of this mail: nothing of it
	// was judged, it may go over another connection at once and no attempt is counted.
	Unsent bool
	// Crowded says that the remote takes no more recipients in one transaction: this mail may follow in the next one.
	Crowded bool
	// Elsewhere says that the remote lacks an extension which the mail needs, and another host of its site may have.
	Elsewhere bool
	// Delivered says that the mail is in its mailbox, rather than with a server that takes it further.
	Delivered bool
	// Text is the whole last reply, lines joined by "\n", as patterns are matched against it.
	Text string
	// Stages are how long its parts took; zero: nobody measured.
	Stages monitor.Stages
}

// Finisher edits and signs mails. A mail that has to be changed for a remote is changed between these two, so that its
// signatures hold.
type Finisher interface {
	// Finish makes the body of a transaction anew, from its message's mail, with fit called on it before it is signed.
	// An error of fit is returned as it is; a *queue.PropertyError names a property that makes it impossible.
	Finish(tx *Transaction, fit func(queue.Body) (queue.Body, error)) error
}

// Failure is why a connection could not be made, or broke. Result says at which state and how.
type Failure struct {
	Result queue.Result
	// Temporary is false when trying another host of the site is of no use.
	Temporary bool
	// Cause is for the log.
	Cause error
	// Stages are how long the parts took that making the connection came to.
	Stages monitor.Stages
}

func (f *Failure) Error() string {
	text := string(f.Result.State) + ": " + string(f.Result.Result)
	if f.Result.Description != "" {
		text += ": " + f.Result.Description
	}
	return text
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

package enqueue

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin"
)

// Backend is an smtpin.Backend that puts received mail into queues. Only Queue must be set. A Backend may serve any
// number of connections and servers; its fields must not be changed once it does, so what may change while mail comes
// in are functions.
type Backend struct {
	// Queue takes the messages.
	Queue queue.Queue
	// Queues names the queues to use.
	Queues Queues

	// ServerID is part of every message id. Servers whose messages meet need different ones. Zero means 1.
	ServerID uint

	// Local reports whether mail to this address is accepted from anybody, and kept apart from mail to be sent on. Nil:
	// no address is local. It is asked for each recipient and must not block. <Postmaster> without a domain is always
	// local.
	Local func(address string) bool
	// ReturnPath says whether an address is a return path that mail left with. Nil: none is. It must not block.
	ReturnPath func(address string) ReturnPath
	// Authenticator says who may log in, with PLAIN or LOGIN. Nil: clients cannot log in, and clients that would have
	// to are told that relaying is denied (550 5.7.1), instead of to log in (530 5.7.0).
	Authenticator auth.Authenticator
	// MayRaise says whether the mail of a client goes before other mail when that asks for it (RFC 6710, RFC 6758).
	// Nil: that of clients that may relay does.
	MayRaise func(*smtpin.Conn) bool
	// BlockedSender says which senders are refused at MAIL, and how: the rules of smtpin.Server's Blocked apply. It is
	// not asked for the empty sender. Nil: nobody is blocked.
	BlockedSender func(address string) *smtp.SMTPError
	// Mapping says from which address mail leaves, by the address that it came in on; it is asked as each mail begins.
	// Nil means a zero Mapping.
	Mapping func() *Mapping

	// Checks says what is to be found out about mail and what is to follow from it; it is asked anew for each mail, and
	// the value may be nil. Nil: nothing is.
	Checks func() *Checks

	// NoExtract leaves x-mq-* header fields in the mail, untouched and without effect. Otherwise they are taken out,
	// and obeyed when the client may relay.
	NoExtract bool

	// MemoryLimit is the size in bytes up to which a mail is held in memory. Larger ones go to a spool file. Zero means
	// 256 KiB.
	MemoryLimit int
	// Memory is how many bytes the mails in reception may hold together, beside 16 KiB for each. What does not fit goes
	// to a spool file at once, however small; a header that does not fit and is larger than 64 KiB is refused for now.
	// Zero means 256 MiB.
	Memory int64
	// SpoolDir is where spool files are made. A queue on the same file system can adopt them instead of copying. ""
	// means the directory for temporary files.
	SpoolDir string

	// Monitor is told of each message that was stored. Nil: nobody is.
	Monitor monitor.Monitor
	// Tracer follows some of the mails. x-mq-traceparent says that somebody follows one already. Nil: nobody does.
	Tracer monitor.Tracer
	// Logger gets the reasons when mail could not be stored, which the client is not told, once for an outage. Nil:
	// slog.Default.
	Logger *slog.Logger
	// Now tells the time. Nil means time.Now.
	Now func() time.Time

	start   sync.Once
	ids     *idMaker
	scratch scratch
	budget  budget
	trouble trouble
}

var _ smtpin.Backend = (*Backend)(nil)

// Queues names the queues that received mail goes to.
type Queues struct {
	// Inbox is for mail from clients that may relay. "" means that it goes to the outbox at once.
	Inbox string
	// Local is for mail to local addresses. "": as Inbox.
	Local string
	// Reports is for mail to local addresses that package report recognises: delivery and disposition notifications,
	// complaints, and reports on DMARC and TLS. "": as any other local mail.
	Reports string
	// Feedback is for what Reports is for, where reports are to be read before, and for all mail to signed return
	// paths. "": reports go to Reports, and return paths are no local addresses.
	Feedback string
	// Refused is for mail to recipients that the client would have had to log in for. It is refused all the same. "":
	// it is not kept.
	Refused string
	// Outbox is the queue that is delivered from. Overrides in a mail's header can name neither this nor the queues
	// above. "" means "outbox".
	Outbox string
	// Discard accepts mail for the inbox and drops it, whatever Inbox says. It is what an empty inbox in MailerQ's
	// configuration means.
	Discard bool
}

// ReturnPath tells whether an address is one of those that mail leaves with so that what comes back is known.
type ReturnPath uint8

// What an address is.
const (
	NoReturnPath     ReturnPath = iota // another address
	SignedReturnPath                   // of a mail that left here; it is local
	ForgedReturnPath                   // it looks like one, and was not made here: mail to it is refused
)

// DefaultOutbox is the outbox when Queues does not name one.
const DefaultOutbox = "outbox"

func (q *Queues) outbox() string { return cmp.Or(q.Outbox, DefaultOutbox) }

// inbox returns where mail goes that has no queue of its own, or "" when it is dropped.
func (q *Queues) inbox() string {
	if q.Discard {
		return ""
	}
	return cmp.Or(q.Inbox, q.outbox())
}

// reads reports whether name is the outbox or an intake queue.
func (q *Queues) reads(name string) bool {
	switch name {
	case "":
		return false
	case q.outbox(), q.Inbox, q.Local, q.Reports, q.Feedback, q.Refused:
		return true
	}
	return false
}

// NewSession implements smtpin.Backend. ctx is what methods without a context of their own use.
func (b *Backend) NewSession(ctx context.Context, c *smtpin.Conn) (smtp.Session, error) {
	b.prepare()
	s := &session{backend: b, ctx: ctx, conn: c}
	s.acquaint()
	return s, nil
}

// prepare must be called before ids are made.
func (b *Backend) prepare() {
	b.start.Do(func() { b.ids = newIDMaker(max(b.ServerID, 1), b.now()) })
}

// mechanisms returns what clients may log in with.
func (b *Backend) mechanisms() []string {
	if b.Authenticator == nil {
		return nil
	}
	return smtpin.AuthMechanisms()
}

func (b *Backend) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}

func (b *Backend) log() *slog.Logger {
	if b.Logger == nil {
		return slog.Default()
	}
	return b.Logger
}

func (b *Backend) memoryLimit() int {
	if b.MemoryLimit <= 0 {
		return 256 << 10
	}
	return b.MemoryLimit
}

func (b *Backend) memory() int64 {
	if b.Memory <= 0 {
		return 256 << 20
	}
	return b.Memory
}

func (b *Backend) spoolDir() string { return cmp.Or(b.SpoolDir, os.TempDir()) }

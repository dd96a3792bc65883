package smtpin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/internal/semaphore"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = errors.New("smtpin: server closed")

// Server is an SMTP server. Its fields must not change once it serves; only Backend has to be set. A Server that has
// nothing else has no AUTH, no TLS, and lets in clients on loopback only.
type Server struct {
	// Backend makes the sessions. It is required.
	Backend Backend

	// Listeners are where ListenAndServe listens.
	Listeners []*Listener

	// Name returns our name in the greeting for connections to a local address; nil or "": Hostname.
	Name func(local netip.Addr) string
	// Hostname is our name where Name has none. "": the reverse DNS of the local address, or an address literal.
	Hostname string
	// Resolver does the reverse DNS. Nil: net.DefaultResolver.
	Resolver Resolver
	// Greeting is the text after our name in the greeting. "": "ESMTP ready", or "LMTP ready".
	Greeting string

	// Blocked says which clients are refused at the greeting whatever listener they come through, and how: by a reply
	// of 4yz or 5yz, in which zero values stand for 554 5.7.1 and a text. It returns nil for clients that are not, must
	// not block, and its replies are not changed. Nil: nobody is blocked.
	Blocked func(client netip.Addr) *smtp.SMTPError

	// TLS returns the configuration for a new handshake; nil, or nil from it: no TLS. See CertFiles for certificates
	// that change.
	TLS func() *tls.Config

	// DefaultDomain is appended to addresses that have no domain. "": they are refused, except for <postmaster>, which
	// gets our own name.
	DefaultDomain string
	// Strict demands addresses after RFC 5321 and RFC 6531. Otherwise anything goes that has an @ and a valid domain to
	// its right.
	Strict bool

	// MaxSize is the largest mail, in bytes. Zero: 100,000,000. Negative: any.
	MaxSize int64
	// MaxRecipients is how many recipients a mail may have; further ones get 452 4.5.3. Zero: 1,000.
	MaxRecipients int
	// MaxErrors is how many commands may be wrong before the connection is closed. Zero: 20.
	MaxErrors int
	// MaxCommands is how many commands a client may give without a mail getting through, recipients not counted.
	// Zero: 1,000.
	MaxCommands int
	// Timeout is how long a silent client is kept. It starts anew with every data received. Zero: 5 minutes.
	Timeout time.Duration
	// TransactionTimeout is how long a client may take for a mail, from the greeting or the end of the mail before.
	// Zero: an hour.
	TransactionTimeout time.Duration

	// LineEnds says what becomes of CR and LF that stand alone in a mail.
	LineEnds LineEnds

	// DSN offers and accepts the parameters of RFC 3461: set it when the backend heeds them.
	DSN bool
	// SMTPUTF8 offers RFC 6531.
	SMTPUTF8 bool
	// REQUIRETLS offers RFC 8689 on connections with TLS.
	REQUIRETLS bool
	// MTPriority offers RFC 6710: set it when the backend heeds MailOptions.Priority.
	MTPriority bool
	// MaxHold offers RFC 4865, to clients that may relay: mail is held for so long at most. Zero: it is not offered.
	MaxHold time.Duration
	// DeliverBy offers RFC 2852: set it when the backend heeds MailOptions.DeliverBy. MinDeliverBy is the shortest time
	// in which a mail can be asked to be delivered or returned; zero: any.
	DeliverBy    bool
	MinDeliverBy time.Duration
	// BinaryMIME offers BINARYMIME (RFC 3030), where BDAT is offered: set it when the backend copes with any bytes.
	BinaryMIME bool
	// NoChunking does not offer BDAT (RFC 3030), and refuses it.
	NoChunking bool

	// Slots bounds the number of connections. Nil: 1,000.
	Slots Slots
	// Busy says what becomes of clients for whom there is no slot.
	Busy Busy
	// ConnectionsPerClient is how many connections one client address, or one /64 of IPv6, may have. With BusyWait some
	// further ones wait, without holding a slot; the others get 421 4.7.0. Zero: any number.
	ConnectionsPerClient int
	// Uncapped reports which connections ConnectionsPerClient does not hold for, nor count. It is asked when a client
	// connects, and again when it has logged in. Nil: it holds for all.
	Uncapped func(*Conn) bool

	// Monitor is told what happens. Nil: monitor.Discard.
	Monitor monitor.Monitor
	// Logger gets what is out of order: panics of sessions, errors of a backend that their reply does not show, failing
	// listeners. Nil: slog.Default().
	Logger *slog.Logger

	suspended  sync.Map // *Listener: whose clients are turned away
	stopIntake context.CancelFunc

	mu       sync.Mutex
	started  bool
	base     context.Context
	cancel   context.CancelFunc
	intake   context.Context // ends when Shutdown or Close is called
	closing  bool            // it was
	sockets  map[net.Listener]struct{}
	sessions map[*session]struct{}
	clients  clients
	wait     sync.WaitGroup
	slots    Slots
	buffers  wire.Buffers
	names    names
}

// Slots counts connections, perhaps together with others.
type Slots interface {
	Acquire(context.Context) error
	TryAcquire() bool
	Release()
}

// Busy says what becomes of clients for whom there is no slot.
type Busy uint8

const (
	// BusyWait leaves clients waiting in the accept queue, and clients that have too many connections of their own
	// after it.
	BusyWait Busy = iota
	// BusyReject answers them with 421 4.3.2.
	BusyReject
)

// Resolver finds the names of an address. *net.Resolver is one.
type Resolver interface {
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

// start prepares the server for its first connection. The caller holds mu.
func (s *Server) start() {
	if s.started {
		return
	}
	s.started = true
	s.base, s.cancel = context.WithCancel(context.Background())
	s.intake, s.stopIntake = context.WithCancel(s.base)
	s.sockets = make(map[net.Listener]struct{})
	s.sessions = make(map[*session]struct{})
	s.slots = s.Slots
	if s.slots == nil {
		s.slots = make(semaphore.Semaphore, 1000)
	}
}

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.Default()
	}
	return s.Logger
}

func (s *Server) monitor() monitor.Monitor {
	if s.Monitor == nil {
		return monitor.Discard
	}
	return s.Monitor
}

// blocked returns the reply for a blocked client, or nil.
func (s *Server) blocked(client netip.Addr) *smtp.SMTPError {
	if s.Blocked == nil || !client.IsValid() {
		return nil
	}
	e := s.Blocked(client)
	if e == nil {
		return nil
	}
	return Refusal(e, "Mail from your address is not accepted")
}

// Refusal returns a copy of a reply from a list of those who are not wanted, as Server.Blocked returns it, with 554
// 5.7.1 and text for what it leaves out.
func Refusal(e *smtp.SMTPError, text string) *smtp.SMTPError {
	reply := *e
	if reply.Code < 400 || reply.Code > 599 {
		reply.Code = 554
	}
	if class := reply.EnhancedCode[0]; class != reply.Code/100 && reply.EnhancedCode != smtp.NoEnhancedCode {
		reply.EnhancedCode = smtp.EnhancedCode{reply.Code / 100, 7, 1}
	}
	reply.Message = cmp.Or(reply.Message, text)
	return &reply
}

func (s *Server) tlsConfig() *tls.Config {
	if s.TLS == nil {
		return nil
	}
	return s.TLS()
}

// maxSize returns the size limit; zero is none.
func (s *Server) maxSize() int64 { return max(0, cmp.Or(s.MaxSize, 100_000_000)) }

func (s *Server) maxRecipients() int { return cmp.Or(s.MaxRecipients, 1000) }

func (s *Server) binaryMIME() bool { return s.BinaryMIME && !s.NoChunking }

func (s *Server) timeout() time.Duration { return cmp.Or(s.Timeout, 5*time.Minute) }

func (s *Server) transactionTimeout() time.Duration { return cmp.Or(s.TransactionTimeout, time.Hour) }

package smtpout

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// Sender makes SMTP connections. The zero value works. It is safe for concurrent use; its fields must not change while
// it is used.
type Sender struct {
	// TLS is what connections are secured with; nil: the system's roots and the defaults of crypto/tls. ServerName,
	// InsecureSkipVerify, VerifyPeerCertificate and ClientSessionCache are ours to set: certificates are verified here,
	// always, and the outcome is recorded even where it is not enforced; sessions are taken up again where the same is
	// demanded of the same remote.
	TLS *tls.Config
	// Dial connects; nil: TCP from source, unless that is the zero Addr. A *BindError from it tells that the source
	// address was the problem; a *delivery.Failure is passed on (a proxy that refused: state handshake).
	Dial func(ctx context.Context, source netip.Addr, target netip.AddrPort) (net.Conn, error)
	// ClearFallback lets a connection of opportunistic security go on in clear text when the TLS handshake fails (over
	// a second connection, for which Open dials again, once) or STARTTLS is refused. False: such an Open fails.
	ClearFallback bool
	// AllowPlaintextAuth allows AUTH over connections without TLS, whatever the credentials say.
	AllowPlaintextAuth bool
	// Chunking uses BDAT instead of DATA for every mail where the remote offers it. False: only for mails that DATA
	// would damage: with lone CRs or LFs, NULs, or lines of more than 998 bytes.
	Chunking bool
	// NoPipelining sends one command at a time even where the remote takes several. False: only to remotes that do not
	// announce PIPELINING, and for a while to those that announced it and did not answer.
	NoPipelining bool
	// LMTP speaks that (RFC 2033): LHLO, and no HELO for servers that refuse it. As each mail has one recipient, its
	// reply is the one to the mail. What is accepted is delivered, unless the server will tell the sender itself (DSN).
	LMTP bool

	liars    remembered[struct{}] // some read the first command of a flight and lose the others
	hellos   remembered[helloSize]
	sessions sessions
}

var _ delivery.Sender = (*Sender)(nil)

// Open connects to a hop, and greets, secures and logs in. A failure is a *delivery.Failure with the state at which it
// happened. When ctx ends, it breaks off.
//
// Where TLS is what fails, it may connect again: without taking up an earlier session; with a hello that fits into one
// packet, as some servers break on a larger one; without TLS, where ClearFallback and hop allow that.
func (s *Sender) Open(ctx context.Context, hop *delivery.Hop) (delivery.Connection, error) {
	security := hop.Security
	if security == "" {
		security = queue.Opportunistic
	}
	c, failure := s.openSecure(ctx, hop, security)
	session := c.told(failure)
	if failure != nil && failure.clear && s.ClearFallback && security == queue.Opportunistic && !hop.TLS.Enforced() &&
		!hop.RequireTLS && ctx.Err() == nil {
		broken := failure.Result.TLSPolicy
		if c, failure = s.open(ctx, hop, queue.Optional, hello{}); failure == nil {
			c.policy = broken
		}
	}
	if hop.TLS.Tell != nil && session != nil {
		hop.TLS.Tell(*session)
	}
	if failure != nil {
		return nil, &failure.Failure
	}
	return c, nil
}

// openSecure opens a connection as a level of security asks for, with another try where the way in which TLS was begun
// may have been at fault.
func (s *Sender) openSecure(ctx context.Context, hop *delivery.Hop, security queue.Security) (*connection, *failure) {
	var offer hello
	offer.size, _ = s.hellos.of(hop.Target, time.Now())
	c, failure := s.open(ctx, hop, security, offer)
	if failure != nil && failure.stale && ctx.Err() == nil {
		offer.fresh = true
		c, failure = s.open(ctx, hop, security, offer)
	}
	if failure == nil || !failure.small || offer.size != largeHello || ctx.Err() != nil {
		return c, failure
	}
	offer.size = smallHello
	c, second := s.open(ctx, hop, security, offer)
	if second == nil || second.Result.Cipher != nil {
		s.hellos.add(hop.Target, smallHello, time.Now())
		return c, second
	}
	s.hellos.add(hop.Target, anyHello, time.Now())
	return nil, failure
}

// failure is why a connection could not be opened.
type failure struct {
	delivery.Failure
	// A new connection may fare better:
	clear bool // without TLS
	stale bool // when it takes up no earlier session
	small bool // with a smaller hello

	session *delivery.TLSSession // how far TLS came; nil: it was not its turn yet
}

func (s *Sender) open(ctx context.Context, hop *delivery.Hop, security queue.Security,
	offer hello) (*connection, *failure) {
	limits, begun := effective(hop.Timeouts), time.Now()
	nc, failed := s.connect(ctx, hop, limits.connect)
	if failed != nil {
		failed.Stages.Connect = time.Since(begun)
		return nil, failed
	}
	c := newConnection(s, hop, limits, nc)
	c.opening.Connect = time.Since(begun)
	c.offer = offer
	_, c.slow = s.liars.of(hop.Target, time.Now())
	if !c.enter(ctx) {
		failed = c.broke(queue.StateConnect, errInterrupted)
	} else {
		failed = c.setUp(security)
		c.leave()
	}
	if failed != nil {
		failed.session, failed.Stages = c.session, c.opening
		c.broken = c.broken || failed.clear
		c.Close()
		return nil, failed
	}
	return c, nil
}

// setUp brings a fresh connection to where mail can be sent.
func (c *connection) setUp(security queue.Security) (failed *failure) {
	begun := time.Now()
	if failed = c.greet(); failed == nil {
		failed = c.hello()
	}
	c.opening.Greeting = time.Since(begun)
	if failed != nil {
		return failed
	}
	begun = time.Now()
	failed = c.secure(security)
	if c.cipher != nil || failed != nil {
		c.opening.TLS = time.Since(begun)
	}
	if failed != nil || c.hop.Credentials == nil {
		return failed
	}
	begun = time.Now()
	failed = c.login(c.hop.Credentials)
	c.opening.Greeting += time.Since(begun)
	return failed
}

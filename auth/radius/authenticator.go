package radius

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"layeh.com/radius"

	"github.com/sluicemail/sluice/auth"
)

// Authenticator asks a RADIUS server. Make it with New or Open. It is safe for concurrent use, and holds sockets and
// goroutines only while logins are under way.
type Authenticator struct {
	options  Options // without the secret
	protocol protocol
	sockets  *sockets
}

var _ auth.Authenticator = (*Authenticator)(nil)

// New returns an Authenticator. It looks up the server when a user logs in. An error says which option is wrong.
func New(o Options) (*Authenticator, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("radius: %w", err)
	}
	return open(o), nil
}

// open makes one of options that are complete.
func open(o Options) *Authenticator {
	secret := []byte(o.Secret)
	a := &Authenticator{options: o, protocol: protocol{o.Identifier, o.Lenient, func() []byte { return secret }}}
	a.options.Secret = ""
	a.sockets = newSockets(&a.options, &a.protocol)
	return a
}

// String names the server and the identifier.
func (a *Authenticator) String() string { return fmt.Sprint(a.options) }

// Format prints String, whatever the verb, so that none shows the secret.
func (a *Authenticator) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// Authenticate asks the server; see the package's story.
func (a *Authenticator) Authenticate(ctx context.Context, login auth.Login) error {
	if unusable(login) {
		return auth.ErrRejected
	}
	ctx, cancel := context.WithTimeoutCause(ctx, a.options.Timeout,
		fmt.Errorf("no answer within %v: %w", a.options.Timeout, context.DeadlineExceeded))
	defer cancel()
	code, err := a.ask(ctx, login)
	switch {
	case err != nil:
		return fmt.Errorf("radius: %s: %w", a.options.Address, err)
	case code == radius.CodeAccessAccept:
		return nil
	}
	return fmt.Errorf("radius: %s: %v: %w", a.options.Address, code, auth.ErrRejected)
}

// unusable reports whether the login is one that the protocol cannot carry, or not as it is.
func unusable(login auth.Login) bool {
	return login.Username == "" || len(login.Username) > maxAttribute || strings.Contains(login.Username, "\x00") ||
		login.Password == "" || len(login.Password) > maxPassword || strings.Contains(login.Password, "\x00")
}

// ask sends a request, again and again, until there is an answer or ctx ends.
func (a *Authenticator) ask(ctx context.Context, login auth.Login) (radius.Code, error) {
	e, err := a.sockets.begin(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return 0, err
	}
	defer a.sockets.end(e)
	request, err := a.protocol.request(e.identifier, login)
	if err != nil {
		return 0, err
	}
	e.socket.expect(e, request)
	for interval := a.options.Retransmit; ; interval *= 2 {
		e.socket.send(e)
		again := time.NewTimer(jitter(interval))
		select {
		case answer := <-e.answer:
			again.Stop()
			return answer.code, answer.err
		case <-ctx.Done():
			again.Stop()
			return 0, unanswered(ctx, e)
		case <-again.C:
		}
	}
}

// jitter varies d by a tenth, lest many requests be sent again at once (RFC 5080 section 2.2.1).
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// unanswered tells why there is no answer.
func unanswered(ctx context.Context, e *exchange) error {
	if problem := e.socket.problem(e); problem != nil {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), problem)
	}
	return context.Cause(ctx)
}

package auth

import (
	"context"
	"errors"
	"net/netip"
)

// Login is what a client presents.
type Login struct {
	Username string
	Password string         // secret
	Client   netip.AddrPort // zero: unknown
	Service  string         // what it logs in to: "smtp", "www"; "": not said
}

// String names the user and the client, and masks the password.
func (l Login) String() string {
	if !l.Client.IsValid() {
		return l.Username + ":********"
	}
	return l.Username + ":******** from " + l.Client.String()
}

// GoString is String, so that no format verb shows the password.
func (l Login) GoString() string { return l.String() }

// Authenticator knows who may log in. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate returns nil when user and password are right, ErrRejected (perhaps wrapped) when they are not, and
	// any other error when it could not find out: nobody gets in then, but it is told apart. It honours ctx.
	Authenticate(ctx context.Context, login Login) error
}

// ErrRejected says that the user does not exist, may not log in, or gave a wrong password: which of these is not said.
var ErrRejected = errors.New("wrong user name or password")

// Func is a function as an Authenticator.
type Func func(ctx context.Context, login Login) error

// Authenticate calls f.
func (f Func) Authenticate(ctx context.Context, login Login) error { return f(ctx, login) }

package smtpin

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// LoginTimeout bounds how long a login may take, whatever the Authenticator's own limits.
const LoginTimeout = time.Minute

// maxUsername is the longest user name that is put to an Authenticator, in bytes.
const maxUsername = 1024

// AuthMechanisms returns the mechanisms that NewAuthServer speaks. A session's AuthMechanisms may return them.
func AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

// NewAuthServer returns the server side of a mechanism that asks a for user and password. A session's Auth may return
// it; ctx is that of the session, c its connection. The errors of the server are replies with three meanings: a wrong
// user or password (535 5.7.8), too many failed logins and being unable to tell (both 454 4.7.0), and a response that
// makes no sense (501 5.5.2). What an Authenticator says beside that is for the log.
func NewAuthServer(ctx context.Context, c *Conn, a auth.Authenticator, mechanism string) (sasl.Server, error) {
	ask := func(username, password string) error { return login(ctx, c, a, username, password) }
	switch mechanism {
	case sasl.Plain:
		return &plainServer{authenticate: ask}, nil
	case sasl.Login:
		return NewLoginServer(ask), nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// login puts one login to an Authenticator and makes a reply of its answer.
func login(ctx context.Context, c *Conn, a auth.Authenticator, username, password string) error {
	if !isUsername(username) {
		return errLogin(535, wire.Status{5, 7, 8}, "Wrong user name or password")
	}
	ctx, cancel := context.WithTimeout(ctx, LoginTimeout)
	defer cancel()
	err := a.Authenticate(ctx, auth.Login{Username: username, Password: password, Client: c.Remote(), Service: "smtp"})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrRejected):
		return errLogin(535, wire.Status{5, 7, 8}, "Wrong user name or password")
	}
	if _, ok := errors.AsType[*auth.Limited](err); ok {
		return errLogin(454, wire.Status{4, 7, 0}, "Too many failed logins, try again later")
	}
	return err
}

func errLogin(code int, status wire.Status, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode(status), Message: text}
}

// isUsername reports whether somebody can be called so: names end up in logs and messages.
func isUsername(s string) bool {
	if s == "" || len(s) > maxUsername || !utf8.ValidString(s) {
		return false
	}
	return !slices.ContainsFunc([]byte(s), func(b byte) bool { return b < ' ' || b == 0x7f })
}

// plainServer is the server side of PLAIN (RFC 4616). Nobody may act for another user.
type plainServer struct {
	authenticate func(username, password string) error
	username     string
	done         bool
}

// Next answers a response of the client.
func (s *plainServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if s.done {
		return nil, false, sasl.ErrUnexpectedClientResponse
	}
	if response == nil {
		return []byte{}, false, nil
	}
	s.done = true
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return nil, false, errLogin(501, wire.Status{5, 5, 2}, "Malformed response")
	}
	s.username = string(parts[1])
	if len(parts[0]) > 0 && !bytes.Equal(parts[0], parts[1]) {
		return nil, false, errLogin(535, wire.Status{5, 7, 8}, "Acting for another user is not possible")
	}
	return nil, true, s.authenticate(s.username, string(parts[2]))
}

// Username returns the name that the client gave.
func (s *plainServer) Username() string { return s.username }

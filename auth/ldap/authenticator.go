package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/auth"
)

// Longer names and passwords, in bytes, are rejected without asking: servers would close the connection on some.
const (
	maxName     = 1 << 10
	maxPassword = 32 << 10
)

// Authenticator asks an LDAP directory. Make it with New or Open. It is safe for concurrent use.
type Authenticator struct {
	options Options
	pool    *pool
}

var _ auth.Authenticator = (*Authenticator)(nil)

// New returns an Authenticator. It connects when the first user logs in. An error says which option is wrong.
func New(o Options) (*Authenticator, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("ldap: %w", err)
	}
	return open(o), nil
}

// open makes one of options that are complete.
func open(o Options) *Authenticator {
	a := &Authenticator{options: o}
	a.pool = newPool(&a.options)
	return a
}

// String names the directory.
func (a *Authenticator) String() string {
	return a.options.Security.String() + " " + a.options.Address + " " + a.options.BaseDN
}

// Authenticate binds as the user; see the package's story.
func (a *Authenticator) Authenticate(ctx context.Context, login auth.Login) error {
	if unusable(login) {
		return auth.ErrRejected
	}
	ctx, cancel := context.WithTimeoutCause(ctx, a.options.Timeout,
		fmt.Errorf("no answer within %v: %w", a.options.Timeout, context.DeadlineExceeded))
	defer cancel()
	err := a.authenticate(ctx, login)
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, auth.ErrRejected) {
		err = cause // the failures that follow from it say less
	}
	return fmt.Errorf("ldap: %s: %w", a.options.Address, err)
}

// unusable reports whether no server needs to be asked. A NUL would end the password for one that is written in C.
func unusable(login auth.Login) bool {
	return len(login.Username) > maxName || !plain(login.Username) ||
		login.Password == "" || len(login.Password) > maxPassword || strings.Contains(login.Password, "\x00")
}

func (a *Authenticator) authenticate(ctx context.Context, login auth.Login) error {
	if err := a.pool.acquire(ctx); err != nil {
		return err
	}
	defer a.pool.release()
	dn := a.options.Attribute + "=" + escape(login.Username) + "," + a.options.BaseDN
	c, err := a.pool.take(ctx)
	if err != nil {
		return err
	}
	err = a.bind(ctx, c, dn, login.Password)
	if answered(err) || !c.reused || ctx.Err() != nil {
		return verdict(err)
	}
	a.pool.drop() // what killed this one has killed the others
	if c, err = connect(ctx, &a.options); err != nil {
		return err
	}
	return verdict(a.bind(ctx, c, dn, login.Password))
}

// bind asks over a connection, and keeps it or closes it.
func (a *Authenticator) bind(ctx context.Context, c *connection, dn, password string) error {
	err := c.bind(ctx, dn, password)
	if decided(err) && !c.dead() {
		a.pool.put(c)
	} else {
		c.close()
	}
	return err
}

// Close closes the connections that are not in use, and has the others closed after use. Logins go on to work, each on
// a connection of its own.
func (a *Authenticator) Close() error {
	a.pool.close()
	return nil
}

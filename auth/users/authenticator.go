package users

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/crypt"
	"github.com/sluicemail/sluice/internal/pattern"
)

// maxName is longer than any name that Linux lets a user have.
const maxName = 256

// Authenticator knows the local users. Make it with New or Open. It is safe for concurrent use.
type Authenticator struct {
	names []*pattern.Pattern
	list  string
	// check asks the system. Unlisted names are passed on for the sake of the time it takes, if that depends on the
	// name.
	check func(ctx context.Context, login auth.Login, listed bool) error
}

var _ auth.Authenticator = (*Authenticator)(nil)

// New returns an Authenticator. An error says which name is not a pattern. Whether the files can be read is found out
// when a user logs in.
func New(o Options) (*Authenticator, error) {
	names, err := compile(o.Names)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	return open(o, names), nil
}

func open(o Options, names []*pattern.Pattern) *Authenticator {
	return &Authenticator{names: names, list: strings.Join(o.Names, ","), check: o.system()}
}

// String lists who may log in.
func (a *Authenticator) String() string { return "users " + a.list }

// Authenticate checks the password of a local user; see the package's story.
func (a *Authenticator) Authenticate(ctx context.Context, login auth.Login) error {
	if len(a.names) == 0 || unusable(login) {
		return auth.ErrRejected
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	if err := a.check(ctx, login, a.listed(login.Username)); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	return nil
}

// unusable reports whether no system needs to be asked. To crypt(3) and PAM a NUL would be the end.
func unusable(login auth.Login) bool {
	return login.Username == "" || len(login.Username) > maxName || strings.ContainsAny(login.Username, ":/\r\n\x00") ||
		login.Password == "" || len(login.Password) > crypt.MaxPassword || strings.Contains(login.Password, "\x00")
}

func (a *Authenticator) listed(name string) bool {
	for _, p := range a.names {
		if p.Match(name) {
			return true
		}
	}
	return false
}

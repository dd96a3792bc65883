package mta

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/file"
	"github.com/sluicemail/sluice/auth/ldap"
	"github.com/sluicemail/sluice/auth/radius"
	"github.com/sluicemail/sluice/auth/users"
)

// backends opens every kind of authentication URL.
func backends(log *slog.Logger) *auth.Mux {
	var mux auth.Mux
	mux.Handle("hardcoded", auth.OpenHardcoded)
	mux.Handle("http", auth.OpenHTTP)
	mux.Handle("https", auth.OpenHTTP)
	mux.Handle("exec", func(scheme, rest string) (auth.Authenticator, error) {
		program, err := auth.OpenExec(scheme, rest)
		if e, ok := program.(*auth.Exec); ok {
			e.Logger = log // which hears of its complaints
		}
		return program, err
	})
	mux.Handle("file", file.Opener(&file.Options{Logger: log}))
	mux.Handle("ldap", ldap.Open)
	mux.Handle("ldaps", ldap.Open)
	mux.Handle("radius", radius.Open)
	mux.Handle("users", users.Open)
	return &mux
}

// openLogin makes the back end of smtp-auth, or takes one's own, with a memory for who was accepted and a guard against
// guessing. Nil: nobody can log in.
func openLogin(b *base, own auth.Authenticator, d *doors) (*auth.Limit, error) {
	if own == nil {
		if len(b.cfg.SMTPAuth) == 0 {
			return nil, nil
		}
		var err error
		if own, err = openChain(b, b.cfg.SMTPAuth); err != nil {
			return nil, misconfigured{fmt.Errorf("smtp-auth: %w", err)}
		}
	}
	return d.guard(&auth.Cache{Backend: own}), nil
}

// openChain opens back ends of which the first that accepts wins.
func openChain(b *base, urls []string) (auth.Authenticator, error) {
	var chain []auth.Authenticator
	for _, url := range urls {
		backend, err := backends(b.log).Open(url)
		if err != nil {
			return nil, err
		}
		if closer, ok := backend.(io.Closer); ok {
			b.onClose(closer.Close)
		}
		chain = append(chain, backend)
	}
	return auth.Any(chain...), nil
}

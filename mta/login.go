package mta

import (
	"fmt"
	"io"
	"net/netip"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/file"
	"github.com/sluicemail/sluice/auth/ldap"
	"github.com/sluicemail/sluice/auth/radius"
	"github.com/sluicemail/sluice/auth/users"
	"github.com/sluicemail/sluice/config"
)

// backends opens every kind of authentication URL.
func (a *app) backends() *auth.Mux {
	var mux auth.Mux
	mux.Handle("hardcoded", auth.OpenHardcoded)
	mux.Handle("http", auth.OpenHTTP)
	mux.Handle("https", auth.OpenHTTP)
	mux.Handle("exec", a.openExec)
	mux.Handle("file", file.Opener(&file.Options{Log: a.log}))
	mux.Handle("ldap", ldap.Open)
	mux.Handle("ldaps", ldap.Open)
	mux.Handle("radius", radius.Open)
	mux.Handle("users", users.Open)
	return &mux
}

// openExec opens a program to ask, whose complaints go to the application log.
func (a *app) openExec(scheme, rest string) (auth.Authenticator, error) {
	program, err := auth.OpenExec(scheme, rest)
	if e, ok := program.(*auth.Exec); ok {
		e.Log = a.log
	}
	return program, err
}

// guard keeps those who guess from a back end.
func (a *app) guard(backend auth.Authenticator) *auth.Limit {
	return &auth.Limit{Backend: backend, Exempt: func(client netip.Addr) bool {
		return contains(a.access.Load().exempt,
			client)
	}}
}

// openLogin makes the back end of smtp-auth, with a memory for who was accepted and a guard against guessing.
func (a *app) openLogin(cfg *config.Config) error {
	if len(cfg.SMTPAuth) == 0 {
		return nil
	}
	backend, err := a.openChain(cfg.SMTPAuth)
	if err != nil {
		return misconfigured{fmt.Errorf("smtp-auth: %w", err)}
	}
	a.login = a.guard(&auth.Cache{Backend: backend})
	return nil
}

// openChain opens back ends of which the first that accepts wins.
func (a *app) openChain(urls []string) (auth.Authenticator, error) {
	var chain []auth.Authenticator
	for _, url := range urls {
		backend, err := a.backends().Open(url)
		if err != nil {
			return nil, err
		}
		if closer, ok := backend.(io.Closer); ok {
			a.onClose(closer.Close)
		}
		chain = append(chain, backend)
	}
	return auth.Any(chain...), nil
}

package main

import (
	"fmt"
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
	return &auth.Limit{Backend: backend, Exempt: func(client netip.Addr) bool { return contains(a.access.Load().exempt, client) }}
}

// openLogin makes the back end of smtp-auth, with a memory for who was accepted and a guard against guessing.
func (a *app) openLogin(cfg *config.Config) error {
	if cfg.SMTPAuth == "" {
		return nil
	}
	backend, err := a.backends().Open(cfg.SMTPAuth)
	if err != nil {
		return misconfigured{fmt.Errorf("smtp-auth: %w", err)}
	}
	a.login = a.guard(&auth.Cache{Backend: backend})
	if closer, ok := backend.(interface{ Close() error }); ok {
		a.onClose(closer.Close)
	}
	return nil
}

// Package authtest examines implementations of auth.Authenticator. A back end of your own passes the same exam as those
// of the house:
//
//	func TestAuthenticator(t *testing.T) {
//		authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
//			return mine, map[string]string{"alice": "her password", "bob": "his password"}
//		})
//	}
package authtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluicemail/sluice/auth"
)

// Patience is how long one login may take, whatever it presents.
const Patience = 20 * time.Second

// Run examines the back end that open makes. open also returns the passwords of accounts that may log in, by their
// names: at least one, and better two. Passwords should have six characters or more, so that a leak of one is not taken
// for chance. A back end without limits of time of its own is asked to stop by ctx after Patience.
//
// open is called once; use t.Cleanup to close what it made.
func Run(t *testing.T, open func(t *testing.T) (auth.Authenticator, map[string]string)) {
	t.Helper()
	backend, accounts := open(t)
	if backend == nil || len(accounts) == 0 {
		t.Fatal("authtest: open returned no back end or no accounts")
	}
	e := newExam(backend, accounts)
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			if err := r.check(t.Context(), e); err != nil {
				t.Errorf("%v\nthe rule: %s", err, r.why)
			}
		})
	}
}

// exam is what the rules know of a back end.
type exam struct {
	backend  auth.Authenticator
	accounts map[string]string
	names    []string // of accounts, sorted
	patience time.Duration

	mu     sync.Mutex
	errors []error // all that it returned
}

func newExam(backend auth.Authenticator, accounts map[string]string) *exam {
	return &exam{
		backend:  backend,
		accounts: accounts,
		names:    slices.Sorted(maps.Keys(accounts)),
		patience: Patience,
	}
}

// violation is what breaks a rule by itself, told apart from the answers of the back end.
type violation struct{ text string }

func (v *violation) Error() string { return v.text }

func broken(format string, args ...any) error { return &violation{fmt.Sprintf(format, args...)} }

// ask logs in. A back end that panics or takes too long yields a violation.
func (e *exam) ask(ctx context.Context, name, password string) error {
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	answer := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				answer <- broken("Authenticate panicked for name %s: %v", shorten(name), p)
			}
		}()
		answer <- e.backend.Authenticate(ctx, auth.Login{
			Username: name,
			Password: password,
			Client:   netip.MustParseAddrPort("[2001:db8::1]:4711"),
			Service:  "smtp",
		})
	}()
	overdue := time.NewTimer(e.patience + e.patience/4) // ctx has ended by then
	defer overdue.Stop()
	select {
	case err := <-answer:
		e.keep(err)
		return err
	case <-overdue.C:
		return broken("name %s was not answered within %v, although ctx has ended", shorten(name), e.patience)
	}
}

func (e *exam) keep(err error) {
	if err == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.errors = append(e.errors, err)
}

// accepts logs in with what is right.
func (e *exam) accepts(ctx context.Context, name string) error {
	if err := e.ask(ctx, name, e.accounts[name]); err != nil {
		return fmt.Errorf("account %s was refused with its own password: %w", shorten(name), err)
	}
	return nil
}

// rejects logs in with what is wrong and demands ErrRejected.
func (e *exam) rejects(ctx context.Context, name, password, what string) error {
	err := e.ask(ctx, name, password)
	if err == nil {
		return broken("name %s was accepted with %s", shorten(name), what)
	}
	if !errors.Is(err, auth.ErrRejected) {
		return fmt.Errorf("name %s with %s: expected is ErrRejected, got: %w", shorten(name), what, err)
	}
	return nil
}

// turnsAway logs in with what is wrong and may be answered with any error: a back end may not know what to do with it.
func (e *exam) turnsAway(ctx context.Context, name, password, what string) error {
	err := e.ask(ctx, name, password)
	if v, ok := errors.AsType[*violation](err); ok {
		return v
	}
	if err == nil {
		return broken("name %s was accepted with %s", shorten(name), what)
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%q and %d more bytes", s[:40], len(s)-40)
	}
	return fmt.Sprintf("%q", s)
}

package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/sluicemail/sluice/internal/printable"
)

// Error says why there is no download.
type Error struct {
	URL       string // without a password
	Temporary bool   // another try may succeed
	Reason    string
	Err       error // the cause; nil: there is none but the reason
}

func (e *Error) Error() string { return fmt.Sprintf("download of %s: %s", e.URL, e.Reason) }

func (e *Error) Unwrap() error { return e.Err }

// final returns a reason that no other try will change.
func final(format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...)}
}

// temporary returns a reason that may be gone later.
func temporary(format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...), Temporary: true}
}

const maxShown = 300 // bytes of an address in an error

// shown returns an address as errors and logs have it.
func shown(u *url.URL) string { return printable.Text(u.Redacted(), maxShown) }

// failure makes the Error of a download of any error. What this package did not decide is the network's doing, and may
// pass.
func failure(u *url.URL, err error) *Error {
	e := Error{Temporary: true, Err: err}
	if known, ok := errors.AsType[*Error](err); ok {
		e = *known
	} else if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the address is told already
	}
	if e.Reason == "" {
		e.Reason = printable.Text(err.Error(), maxShown)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		e.Reason = "it took too long"
	}
	e.URL = shown(u)
	return &e
}

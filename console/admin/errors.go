package admin

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/internal/printable"
)

var (
	// ErrNotFound is wrapped when what was asked for is not there (any more).
	ErrNotFound = errors.New("there is no such thing")
	// ErrUnavailable is wrapped when the database or the broker cannot be reached; it makes sense to try again.
	ErrUnavailable = errors.New("not available now")
	// ErrUnsupported is wrapped when this server cannot do something at all, such as a queue that cannot be looked
	// into.
	ErrUnsupported = errors.New("not possible here")
	// ErrKeyUsed says that the key of an injection was used for another one.
	ErrKeyUsed = errors.New("this Idempotency-Key was used before with another body; " +
		"expected the same body, or a key that is new")
	// ErrTooLarge is wrapped when so much at a time is not taken.
	ErrTooLarge = errors.New("too large")
)

// Problem is what is wrong with one field.
type Problem struct {
	Field    string `json:"field,omitempty"`    // column or parameter; "": the whole
	Given    string `json:"given,omitempty"`    // as it was given, shortened; empty for secrets
	Expected string `json:"expected,omitempty"` // what would have been right
}

// String returns `code: got "700", expected an integer from 400 to 599`.
func (p Problem) String() string {
	var b strings.Builder
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	if p.Given != "" {
		b.WriteString("got " + p.Given + ", ")
	}
	if p.Expected != "" {
		b.WriteString("expected " + p.Expected)
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// Invalid is input that cannot be. It never shows a secret.
type Invalid struct{ Problems []Problem }

func (e *Invalid) Error() string {
	all := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		all[i] = p.String()
	}
	return strings.Join(all, "; ")
}

// Conflict says that a row was changed since it was read, or that another row has what must be unique.
type Conflict struct {
	Reason string
	// Current is the row as it is now, nil when it was deleted or when there is none to show.
	Current *Row
}

func (e *Conflict) Error() string { return e.Reason }

// invalid makes an error of one problem.
func invalid(field string, given any, expected string) *Invalid {
	return &Invalid{[]Problem{{field, show(given), expected}}}
}

// show writes a value that was given, in a form that is safe to repeat.
func show(v any) string {
	const most = 80
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return fmt.Sprintf("%q", printable.Text(v, most))
	case int64, int, float64, bool:
		return fmt.Sprint(v)
	case fmt.Stringer: // a json.Number
		return printable.Text(v.String(), most)
	case []any:
		return "an array"
	}
	return fmt.Sprintf("%T", v)
}

// status is an error of one of the three kinds with a text of its own.
type status struct {
	kind   error
	reason string
	cause  error
}

func (e *status) Error() string {
	if e.cause != nil {
		return e.reason + ": " + e.cause.Error()
	}
	return e.reason
}

func (e *status) Unwrap() []error { return []error{e.kind, e.cause} }

func notFound(reason string) error                 { return &status{ErrNotFound, reason, nil} }
func tooLarge(reason string) error                 { return &status{ErrTooLarge, reason, nil} }
func unsupported(reason string) error              { return &status{ErrUnsupported, reason, nil} }
func unavailable(reason string, cause error) error { return &status{ErrUnavailable, reason, cause} }

// databaseError sorts the errors of the settings database into those of this package.
func databaseError(err error) error {
	if err == nil {
		return nil
	}
	var (
		wrong    *Invalid
		conflict *Conflict
		known    *status
		value    *settings.ValueError
		down     *settings.Error
	)
	switch {
	case errors.As(err, &wrong), errors.As(err, &conflict), errors.As(err, &known):
		return err
	case errors.Is(err, settings.ErrDuplicate):
		return &Conflict{Reason: "another row has the same value in a column where values must differ"}
	case errors.Is(err, settings.ErrNotFound):
		return notFound("there is no such row")
	case errors.As(err, &value):
		return &Invalid{[]Problem{{Field: value.Column, Expected: "another value: it " + value.Reason}}}
	case errors.Is(err, snapshot.ErrNotInForce):
		return unavailable("the change is stored, but the settings database went away before it came into force; it will be when it is back", nil)
	case errors.As(err, &down):
		return unavailable("the settings database cannot be used now", down.Err)
	}
	return unavailable("the settings database cannot be used now", err)
}

package config

import (
	"errors"
	"strconv"
	"strings"
)

// ExConfig is the exit status for a configuration that cannot be used: EX_CONFIG of sysexits.h.
const ExConfig = 78

// Error is one thing that is wrong with the configuration. [Load] joins several with [errors.Join]; [Errors] takes them
// apart.
type Error struct {
	Origin        // where it stands: File and Line, or Name
	Key    string // the key's main name; empty when the trouble is not about one key
	Value  string // what was given, secrets masked, long values cut
	Want   string // what is expected instead: "a whole number from 0 to 65535"
	Err    error  // the cause, such as an *fs.PathError; may be nil
}

// Error returns where: key: "value": expected what (cause).
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Origin.String())
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	if e.Value != "" {
		b.WriteString(": " + strconv.Quote(e.Value))
	}
	if e.Want != "" {
		b.WriteString(": expected " + e.Want)
	}
	switch {
	case e.Err == nil:
	case e.Want == "":
		b.WriteString(": " + e.Err.Error())
	default:
		b.WriteString(" (" + e.Err.Error() + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors returns every [Error] in err, in the order they were met; nil when there is none.
func Errors(err error) []*Error {
	if one, ok := errors.AsType[*Error](err); ok && err == error(one) {
		return []*Error{one}
	}
	var all []*Error
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			all = append(all, Errors(err)...)
		}
	case interface{ Unwrap() error }:
		return Errors(e.Unwrap())
	}
	return all
}

// cut shortens a value for a message.
func cut(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

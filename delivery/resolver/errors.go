package resolver

import (
	"errors"
	"net"
	"time"

	"github.com/miekg/dns"
)

// Kind says why a look-up failed.
type Kind uint8

// The kinds of failures. NXDomain and NoData are answers: there is no such thing. The others mean that nobody could
// say.
const (
	_         Kind = iota
	NXDomain       // no such name
	NoData         // the name has no records of this type
	BadName        // no DNS name: empty, or a part is too long or empty
	ServFail       // every server failed or refused to answer
	Timeout        // no server answered in time
	Loop           // CNAMEs in a circle, or too many of them
	Malformed      // the answer made no sense
	Stopped        // the context ended, or the resolver was closed
)

// String returns what the kind means.
func (k Kind) String() string {
	switch k {
	case NXDomain:
		return "no such name"
	case NoData:
		return "no such record"
	case BadName:
		return "not a DNS name"
	case ServFail:
		return "server failure"
	case Timeout:
		return "no answer"
	case Loop:
		return "CNAME loop"
	case Malformed:
		return "malformed answer"
	case Stopped:
		return "given up"
	}
	return "unknown"
}

// Error is why a look-up has no result.
type Error struct {
	Name    string    // as asked, without trailing dot
	Type    uint16    // as in dns.TypeMX
	Kind    Kind      //
	Server  string    // address of the server concerned; empty: none, or several
	Detail  string    // more about it, for the log; may be empty
	Expires time.Time // until when the cache gives this answer; zero: it is not cached
	Cause   error     // may be nil
}

// Error returns "MX example.org: no such name" with what else is known.
func (e *Error) Error() string {
	text := dns.TypeToString[e.Type] + " " + e.Name + ": " + e.Kind.String()
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	if e.Server != "" {
		text += " from " + e.Server
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// NotFound reports whether the error is an answer: there is no such name or record.
func (e *Error) NotFound() bool { return e.Kind == NXDomain || e.Kind == NoData || e.Kind == BadName }

// Temporary reports whether asking again later may help.
func (e *Error) Temporary() bool { return !e.NotFound() && e.Kind != Loop }

// IsNotFound reports whether err says that there is no such name or record, as opposed to: could not ask.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.NotFound()
}

// netError returns err in the form in which net.Resolver has it.
func netError(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return &net.DNSError{
		UnwrapErr:   e,
		Err:         e.Kind.String(),
		Name:        e.Name,
		Server:      e.Server,
		IsTimeout:   e.Kind == Timeout,
		IsTemporary: e.Temporary(),
		IsNotFound:  e.NotFound(),
	}
}

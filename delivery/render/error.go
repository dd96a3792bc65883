package render

import (
	"errors"
	"strconv"

	"github.com/sluicemail/sluice/delivery/render/part"
	"github.com/sluicemail/sluice/delivery/render/template"
	"github.com/sluicemail/sluice/queue"
)

// Error says why the mail of a message could not be made.
type Error struct {
	State        queue.ResultState // queue.StatePersonalize or queue.StateResponsive
	Part         string            // "Subject", "part 1.2 (text/html)"; "" when it is none of the mail
	Line, Column int               // of the tag in the decoded part, from 1; 0: it is no tag
	Tag          string            // the tag as it is written, shortened
	Reason       string
	Temporary    bool  // another try may succeed
	Err          error // the cause
}

// Error implements error: part, place, tag and reason on one line.
func (e *Error) Error() string {
	s := ""
	if e.Part != "" {
		s = e.Part + ", "
	}
	if e.Line > 0 {
		s += "line " + strconv.Itoa(e.Line) + ", column " + strconv.Itoa(e.Column) + ": " + e.Tag + ", "
	}
	if s != "" {
		s = s[:len(s)-2] + ": "
	}
	return s + e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// failure makes an Error of the error of a step, which was about this part of the mail.
func failure(state queue.ResultState, name string, err error) *Error {
	e := &Error{State: state, Part: name, Reason: err.Error(), Err: err}
	if t, ok := errors.AsType[*template.Error](err); ok {
		e.Line, e.Column, e.Tag, e.Reason = t.Line, t.Column, t.Tag, t.Reason
	}
	if p, ok := errors.AsType[*part.Error](err); ok {
		e.Part, e.Reason = p.Part, p.Reason
	}
	return e
}

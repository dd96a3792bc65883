package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sluicemail/sluice/queue"
)

// Envelope is what a file may say of its mail in a line of JSON in front of it. What it does not say is found in the
// header.
type Envelope struct {
	Sender     *string  `json:"envelope,omitempty"`   // "" is the null sender
	Recipients []string `json:"recipients,omitempty"` // To, Cc and Bcc do not count then
	DSN        *DSN     `json:"dsn,omitempty"`
	CLI        *Command `json:"cli,omitempty"`
}

// DSN is what the sender wants to be told (RFC 3461), as queue.DSN has it.
type DSN struct {
	Notify []string `json:"notify,omitempty"`
	Ret    string   `json:"ret,omitempty"`
	EnvID  string   `json:"envid,omitempty"`
}

// Command is the command that handed a mail in.
type Command struct {
	Command   string   `json:"command"`
	Arguments []string `json:"arguments"`
}

// Limits of what stands in front of a mail, in bytes.
const (
	maxLine   = 4 << 20 // the envelope
	maxHeader = 256<<10 + 2
)

// Append writes the envelope as a file has it.
func (e *Envelope) Append(dst []byte) ([]byte, error) {
	line, err := json.Marshal(e)
	return append(append(dst, line...), '\n'), err
}

// readEnvelope reads the line from the beginning of a file, if it is there, and returns what follows it.
func readEnvelope(head []byte, r io.Reader) (*Envelope, []byte, error) {
	if len(head) == 0 || head[0] != '{' {
		return &Envelope{}, head, nil
	}
	end := bytes.IndexByte(head, '\n')
	for end < 0 {
		if len(head) > maxLine {
			return nil, nil, unusable("its first line, which begins with {, is longer than %d bytes", maxLine)
		}
		before := len(head)
		var err error
		if head, err = more(head, r); errors.Is(err, io.EOF) {
			return nil, nil, unusable("there is no mail behind its first line, which begins with {")
		} else if err != nil {
			return nil, nil, err
		}
		if end = bytes.IndexByte(head[before:], '\n'); end >= 0 {
			end += before
		}
	}
	e := new(Envelope)
	d := json.NewDecoder(bytes.NewReader(head[:end]))
	d.DisallowUnknownFields()
	if err := d.Decode(e); err != nil {
		return nil, nil, unusable("its first line is no envelope in JSON: %v", err)
	}
	return e, head[end+1:], nil
}

// more reads more of a file behind what was read of it. At its end the error is io.EOF.
func more(head []byte, r io.Reader) ([]byte, error) {
	if len(head) == cap(head) {
		head = append(make([]byte, 0, max(2*cap(head), firstRead)), head...)
	}
	for range 100 {
		n, err := r.Read(head[len(head):cap(head)])
		if head = head[:len(head)+n]; n > 0 {
			return head, nil
		} else if err != nil {
			return head, err
		}
	}
	return head, io.ErrNoProgress
}

// message is d as messages have it.
func (d *DSN) message() *queue.DSN {
	if d == nil {
		return nil
	}
	return &queue.DSN{Notify: d.Notify, Ret: d.Ret, EnvID: d.EnvID}
}

// unusableError says why a file can never be a mail.
type unusableError string

func (e unusableError) Error() string { return string(e) }

func unusable(format string, args ...any) error { return unusableError(fmt.Sprintf(format, args...)) }

package smtpin

import (
	"strings"
	"sync"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// statuses collects what an LMTP session says of each recipient. SetStatus may be called from any goroutine.
type statuses struct {
	mu    sync.Mutex
	names []string
	set   []bool
	errs  []error
}

// SetStatus sets the status of the first recipient of that name that has none.
func (s *statuses) SetStatus(rcpt string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, name := range s.names {
		if name == rcpt && !s.set[i] {
			s.set[i], s.errs[i] = true, err
			return
		}
	}
}

// fill sets the status of recipients that have none, and returns all.
func (s *statuses) fill(err error) []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.names {
		if !s.set[i] {
			s.set[i], s.errs[i] = true, err
		}
	}
	return s.errs
}

// deliverEach gives the mail to a session that answers for each recipient.
func (c *session) deliverEach(b smtp.LMTPSession, r mailReader) (answers, error) {
	s := &statuses{names: c.names, set: make([]bool, len(c.names)), errs: make([]error, len(c.names))}
	err := b.LMTPData(r, s)
	return answers{each: s.fill(err)}, nil
}

// answerEach replies once for each recipient (RFC 2033 §4.2). A reply of one line and one more for each recipient, as
// for SMTP, is dealt out.
func (c *session) answerEach(a answers, err error) {
	var lines []string
	if a.one != nil {
		if lines = strings.Split(a.one.Message, "\n"); len(lines) != len(c.names)+1 {
			lines = nil
		}
	}
	for i := range c.names {
		each := err
		if each == nil && a.each != nil {
			each = a.each[i]
		}
		switch {
		case each != nil:
			c.refuse(each)
		case lines != nil:
			c.reply(250, wire.Status{2, 0, 0}, lines[i+1])
		default:
			c.accept(a.one)
		}
	}
}

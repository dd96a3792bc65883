package smtpout

import (
	"bytes"
	"time"

	"github.com/sluicemail/sluice/monitor"
)

// outbox gathers what is to be written in a pooled buffer and writes it when that is full.
type outbox struct {
	c     *connection
	limit time.Duration
	buf   *buffer
	n     int
}

func newOutbox(c *connection, limit time.Duration) *outbox {
	return &outbox{c: c, limit: limit, buf: newBuffer(bufferSize)}
}

func (w *outbox) release() { w.buf.free() }

func (w *outbox) write(p []byte) error {
	for len(p) > 0 {
		n := copy(w.buf.bytes[w.n:], p)
		w.n, p = w.n+n, p[n:]
		if w.n == len(w.buf.bytes) {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *outbox) flush() error {
	p := w.buf.bytes[:w.n]
	w.n = 0
	if len(p) == 0 {
		return nil
	}
	return w.c.write(w.limit, p)
}

// sendMail writes the commands that wait, the mail and tail, in one flight where that is possible.
func (c *connection) sendMail(m *mail, tail []byte) error {
	err := c.writeMail(m, tail)
	c.showMail(m)
	return err
}

// showMail gives the begin of a mail to watchers that want to see it.
func (c *connection) showMail(m *mail) {
	if !c.watched {
		return
	}
	watcher, ok := c.tap.(monitor.MailTranscript)
	if !ok {
		return
	}
	wanted := min(int64(watcher.MailWanted()), m.shape.size)
	switch {
	case wanted == 0:
	case m.memory != nil:
		watcher.Mail(monitor.FromUs, m.memory, m.shape.size)
	default:
		begin := make([]byte, wanted)
		n, _ := m.body.ReadAt(begin, 0) // what can be read is shown
		watcher.Mail(monitor.FromUs, begin[:n], m.shape.size)
	}
}

func (c *connection) writeMail(m *mail, tail []byte) error {
	if m.memory != nil && (m.chunked || m.shape.plain()) {
		return c.send(c.limits.block, m.memory, tail)
	}
	c.showFlight(m.shape.size, tail)
	w := newOutbox(c, c.limits.block)
	defer w.release()
	if err := w.write(c.out); err != nil {
		return err
	}
	c.out = c.out[:0]
	s := stuffer{w: w, raw: m.chunked, fresh: true}
	var err error
	if m.memory != nil {
		err = s.write(m.memory)
	} else {
		err = eachPiece(m.body, s.write)
	}
	if err == nil {
		err = s.end()
	}
	if err == nil {
		err = w.write(tail)
	}
	if err == nil {
		err = w.flush()
	}
	return err
}

// stuffer writes a mail as DATA wants it: a dot more before each line that begins with one (RFC 5321 §4.5.2). Its lines
// end with CRLF; see fit.
type stuffer struct {
	w     *outbox
	raw   bool // for BDAT: as it is
	fresh bool // at the begin of a line
}

var (
	dot     = []byte{'.'}
	crlf    = []byte{'\r', '\n'}
	lineDot = []byte{'\n', '.'}
)

func (s *stuffer) write(p []byte) error {
	if s.raw {
		return s.w.write(p)
	}
	for len(p) > 0 {
		if s.fresh && p[0] == '.' {
			if err := s.w.write(dot); err != nil {
				return err
			}
		}
		s.fresh = false
		i := bytes.Index(p, lineDot)
		if i < 0 {
			s.fresh = p[len(p)-1] == '\n'
			return s.w.write(p)
		}
		if err := s.w.write(p[:i+1]); err != nil {
			return err
		}
		p, s.fresh = p[i+1:], true
	}
	return nil
}

// end ends the last line.
func (s *stuffer) end() error {
	if s.raw || s.fresh {
		return nil
	}
	return s.w.write(crlf)
}

package smtptest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// session is one connection to a Sink.
type session struct {
	sink *Sink
	conn net.Conn
	buf  *[sinkBuffer]byte
	r, w int    // the unread part of buf
	out  []byte // replies that wait to be written
	wait time.Duration

	helo     []byte
	from     []byte
	hasFrom  bool
	rcpts    []byte // accepted recipients, one after the other
	ends     []int  // where each of them ends
	later    [stages]*Action
	messages int
	peer     *peer // nil: nobody counts
	tls      bool
	mail     mail
}

// sinkBuffer takes a pipelined flight and a whole mail of the usual sizes in one read.
const sinkBuffer = 64 << 10

var (
	errEnd     = errors.New("session ended")
	errTooLong = errors.New("line too long")
	buffers    = sync.Pool{New: func() any { return new([sinkBuffer]byte) }}
)

func newSession(s *Sink, conn net.Conn) *session {
	return &session{sink: s, conn: conn}
}

func (s *session) run(full bool) {
	s.buf = buffers.Get().(*[sinkBuffer]byte)
	defer buffers.Put(s.buf)
	if c := s.sink.peers; c != nil {
		s.peer = c.enter(s.host())
	}
	err := s.greet(full)
	for err == nil {
		var line []byte
		if line, err = s.line(); err == nil {
			err = s.command(line)
		}
	}
	if errors.Is(err, errTooLong) {
		s.reply(500, "5.5.2 Line too long")
	}
	_ = s.flush()
	s.discount() // first, or who sees the end could be refused over it
	_ = s.conn.Close()
}

// discount ends the part of the connection in all that is counted.
func (s *session) discount() {
	s.sink.stats.open.Add(-1)
	if c := s.sink.peers; c != nil {
		c.leave(s.peer)
	}
}

func (s *session) greet(full bool) error {
	if full {
		s.reply(421, "4.3.2 Too many connections")
		return errEnd
	}
	if done, err := s.act(Connect, []byte(s.host())); done {
		return errors.Join(err, errEnd)
	}
	s.reply(220, s.hostname()+" ESMTP sink")
	return nil
}

// host returns the client's address.
func (s *session) host() string {
	host, _, _ := net.SplitHostPort(s.conn.RemoteAddr().String())
	return host
}

func (s *session) hostname() string {
	if s.sink.Hostname == "" {
		return "sink.test"
	}
	return s.sink.Hostname
}

// line returns the next line without its line end. It is valid until the next read.
func (s *session) line() ([]byte, error) {
	for searched := 0; ; {
		if i := bytes.IndexByte(s.buf[s.r+searched:s.w], '\n'); i >= 0 {
			line := s.buf[s.r : s.r+searched+i]
			s.r += searched + i + 1
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		searched = s.w - s.r
		if searched == sinkBuffer {
			return nil, errTooLong
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more, after everything that is owed has been said. The buffer must not be full of unread bytes.
func (s *session) fill() error {
	if err := s.flush(); err != nil {
		return err
	}
	if s.r == s.w {
		s.r, s.w = 0, 0
	} else if s.w == sinkBuffer {
		s.w = copy(s.buf[:], s.buf[s.r:s.w])
		s.r = 0
	}
	n, err := s.conn.Read(s.buf[s.w:])
	s.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

func (s *session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	if wait := s.wait + s.sink.Latency; wait > 0 {
		s.wait = 0
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.sink.closing:
			return net.ErrClosed
		}
	}
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	s.sink.stats.flights.Add(1)
	return err
}

// reply appends a reply of one or more lines to the flight.
func (s *session) reply(code int, text string) {
	switch code / 100 {
	case 4:
		s.sink.stats.deferred.Add(1)
	case 5:
		s.sink.stats.rejected.Add(1)
	}
	for more := true; more; {
		line := text
		i := 0
		for i < len(text) && text[i] != '\n' {
			i++
		}
		if more = i < len(text); more {
			line, text = text[:i], text[i+1:]
		}
		s.out = strconv.AppendInt(s.out, int64(code), 10)
		if more {
			s.out = append(s.out, '-')
		} else {
			s.out = append(s.out, ' ')
		}
		s.out = append(s.out, line...)
		s.out = append(s.out, '\r', '\n')
	}
}

// act does what the rules say about subject at a stage. done means that the usual reply is not to be given; err ends
// the session.
func (s *session) act(stage Stage, subject []byte) (done bool, err error) {
	for i := range s.sink.rules[stage] {
		if r := &s.sink.rules[stage][i]; s.exceeds(r.Over) && r.fits(subject) {
			return s.perform(stage, &r.Action, subject)
		}
	}
	if a := s.later[stage]; a != nil {
		s.later[stage] = nil
		return s.perform(stage, a, subject)
	}
	if stage == Rcpt && s.sink.names != nil {
		return s.byName(subject)
	}
	return false, nil
}

// exceeds reports whether a rule with that limit is about this client.
func (s *session) exceeds(over Over) bool {
	return over == Over{} || s.sink.peers.exceeds(s.peer, over, s.messages)
}

func (s *session) byName(recipient []byte) (done bool, err error) {
	n, ok := lookUp(s.sink.names, recipient)
	if !ok {
		return false, nil
	}
	if n.stage == Rcpt {
		return s.perform(Rcpt, &n.action, recipient)
	}
	later := n.action
	s.later[n.stage] = &later
	return false, nil
}

func (s *session) perform(stage Stage, a *Action, subject []byte) (done bool, err error) {
	switch a.Act {
	case Reply:
		s.reply(a.Code, a.Text)
		if a.Code == 421 {
			return true, errEnd
		}
		return true, nil
	case Hang:
		return true, s.hang()
	case Drop:
		s.out = s.out[:0]
		return true, errEnd
	case Garbage:
		s.out = append(s.out, "\x00\xff what?\r\n"...)
		return true, nil
	case Delay:
		s.wait += a.For
	case Greylist:
		if !s.sink.grey.passed(s.from, subject, a.For) {
			s.reply(451, "4.7.1 Greylisted, please come back")
			return true, nil
		}
	}
	return false, nil
}

// hang says what is due and then nothing more; it returns when the client or the sink has ended the connection.
func (s *session) hang() error {
	if err := s.flush(); err != nil {
		return err
	}
	for {
		if _, err := s.conn.Read(s.buf[:]); err != nil {
			return err
		}
	}
}

func (s *session) startTLS() error {
	if s.sink.TLS == nil || s.tls {
		s.reply(503, "5.5.1 Not now")
		return nil
	}
	s.reply(220, "2.0.0 Go ahead")
	s.r, s.w = 0, 0 // what was said before TLS does not count (RFC 3207 §6)
	if err := s.flush(); err != nil {
		return err
	}
	conn := tls.Server(s.conn, s.sink.TLS)
	if err := conn.Handshake(); err != nil {
		return err
	}
	s.conn, s.tls = conn, true
	s.reset()
	return nil
}

func (s *session) reset() {
	s.from, s.hasFrom = s.from[:0], false
	s.rcpts, s.ends = s.rcpts[:0], s.ends[:0]
	s.later = [stages]*Action{}
}

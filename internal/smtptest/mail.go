package smtptest

import (
	"bytes"
	"hash/crc32"
	"net"
	"net/netip"
)

// mail is what a session learns of the mail that comes in.
type mail struct {
	keep   bool
	verify bool
	limit  int64

	size     int64
	headDone bool
	numbered bool
	first    int64 // the number of its first recipient
	count    int64 // of recipients the source gave it
	hasSum   bool
	want     uint32
	sum      uint32
	data     []byte
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	endOfMail  = []byte("\r\n.\r\n")
	endOfHead  = []byte("\r\n\r\n")
	seqField   = []byte("X-Sluice-Seq: ")
	sumField   = []byte("X-Sluice-Sum: ")
)

func (m *mail) begin(s *Sink) {
	*m = mail{keep: s.Received != nil, verify: s.Verify, limit: s.MaxSize}
}

// take learns of the next piece, dots still stuffed. The first piece holds the whole header, unless that is enormous.
func (m *mail) take(p []byte) {
	m.size += int64(len(p))
	if m.keep && (m.limit == 0 || m.size <= m.limit) {
		m.data = append(m.data, p...)
	}
	if !m.headDone {
		m.headDone = true
		end := bytes.Index(p, endOfHead)
		if end < 0 {
			end = len(p) - len(endOfHead)
		}
		m.readHead(p[:max(end, 0)])
		p = p[max(end+len(endOfHead), 0):]
	}
	if m.verify && m.hasSum {
		m.sum = crc32.Update(m.sum, castagnoli, p)
	}
}

func (m *mail) readHead(head []byte) {
	if i := bytes.Index(head, seqField); i >= 0 {
		rest := head[i+len(seqField):]
		first, n := decimal(rest)
		if m.numbered = n > 0; m.numbered {
			m.first, m.count = first, 1
			if n < len(rest) && rest[n] == '/' {
				m.count, _ = decimal(rest[n+1:])
			}
		}
	}
	if !m.verify {
		return
	}
	if i := bytes.Index(head, sumField); i >= 0 {
		m.want, m.hasSum = hex32(head[i+len(sumField):])
	}
}

// decimal returns the number at the start of p and the count of its digits.
func decimal(p []byte) (n int64, digits int) {
	for digits < len(p) && digits < 18 && digit(p[digits]) {
		n = n*10 + int64(p[digits]-'0')
		digits++
	}
	return n, digits
}

func hex32(p []byte) (n uint32, ok bool) {
	if len(p) < 8 {
		return 0, false
	}
	for _, c := range p[:8] {
		switch {
		case digit(c):
			n = n<<4 | uint32(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint32(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// readMail reads up to the line with the single dot.
func (s *session) readMail() error {
	for {
		window := s.buf[s.r:s.w]
		if !s.mail.headDone && bytes.HasPrefix(window, endOfMail[2:]) {
			s.r += 3
			return nil
		}
		if end := bytes.Index(window, endOfMail); end >= 0 {
			s.mail.take(window[:end+2])
			s.r += end + len(endOfMail)
			return nil
		}
		// Keep what may be the start of the end, and the header until it is complete.
		sure := window[:max(len(window)-len(endOfMail)+1, 0)]
		if s.mail.headDone || len(window) == sinkBuffer || bytes.Contains(sure, endOfHead) {
			s.mail.take(sure)
			s.r += len(sure)
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// accept counts the mail that was read, recipient by recipient.
func (s *session) accept() {
	sink, m := s.sink, &s.mail
	sink.stats.messages.Add(1)
	sink.stats.recipients.Add(int64(len(s.ends)))
	sink.stats.bytes.Add(m.size)
	if m.verify && m.hasSum && m.sum != m.want {
		sink.stats.damaged.Add(1)
	}
	for i := range s.ends {
		s.note(s.recipient(i))
	}
	if sink.Received != nil {
		sink.Received(s.received())
	}
	sink.checkDone()
}

// note counts one recipient: by the number in its local part, else by the mail's.
func (s *session) note(recipient []byte) {
	m := &s.mail
	if !m.numbered {
		s.sink.stats.unnumbered.Add(1)
		return
	}
	n := m.first
	if len(recipient) > 1 && recipient[0] == 's' {
		if own, digits := decimal(recipient[1:]); digits > 0 && len(recipient) > digits+1 && recipient[digits+1] == '@' {
			n = own
		}
	}
	if n < m.first || n >= m.first+m.count {
		s.sink.stats.misplaced.Add(1)
	}
	s.sink.tally.Note(n)
}

func (s *session) received() *Received {
	r := &Received{From: string(s.from), Helo: string(s.helo), TLS: s.tls, Data: unstuff(s.mail.data)}
	for i := range s.ends {
		r.Recipients = append(r.Recipients, string(s.recipient(i)))
	}
	if a, ok := s.conn.RemoteAddr().(*net.TCPAddr); ok {
		r.Remote = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), uint16(a.Port))
	}
	return r
}

// unstuff removes the dot that SMTP puts before a line that begins with one, in place.
func unstuff(p []byte) []byte {
	out := p[:0]
	for len(p) > 0 {
		line := p
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			line = p[:i+1]
		}
		p = p[len(line):]
		if line[0] == '.' {
			line = line[1:]
		}
		out = append(out, line...)
	}
	return out
}

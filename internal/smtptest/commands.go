package smtptest

import (
	"bytes"
	"strconv"
)

// verb packs the first four letters of a command, in upper case.
func verb(line []byte) uint32 {
	if len(line) < 4 {
		return 0
	}
	return uint32(line[0]&^0x20)<<24 | uint32(line[1]&^0x20)<<16 | uint32(line[2]&^0x20)<<8 | uint32(line[3]&^0x20)
}

const (
	verbEHLO = 'E'<<24 | 'H'<<16 | 'L'<<8 | 'O'
	verbHELO = 'H'<<24 | 'E'<<16 | 'L'<<8 | 'O'
	verbMAIL = 'M'<<24 | 'A'<<16 | 'I'<<8 | 'L'
	verbRCPT = 'R'<<24 | 'C'<<16 | 'P'<<8 | 'T'
	verbDATA = 'D'<<24 | 'A'<<16 | 'T'<<8 | 'A'
	verbRSET = 'R'<<24 | 'S'<<16 | 'E'<<8 | 'T'
	verbNOOP = 'N'<<24 | 'O'<<16 | 'O'<<8 | 'P'
	verbQUIT = 'Q'<<24 | 'U'<<16 | 'I'<<8 | 'T'
	verbSTAR = 'S'<<24 | 'T'<<16 | 'A'<<8 | 'R'
)

func (s *session) command(line []byte) error {
	switch verb(line) {
	case verbMAIL:
		return s.mailFrom(line)
	case verbRCPT:
		return s.rcptTo(line)
	case verbDATA:
		return s.dataCommand()
	case verbEHLO:
		return s.hello(line, true)
	case verbHELO:
		return s.hello(line, false)
	case verbRSET:
		s.reset()
		s.out = append(s.out, "250 2.0.0 OK\r\n"...)
	case verbNOOP:
		s.out = append(s.out, "250 2.0.0 OK\r\n"...)
	case verbSTAR:
		return s.startTLS()
	case verbQUIT:
		s.reply(221, "2.0.0 Bye")
		return errEnd
	default:
		s.reply(500, "5.5.2 Unknown command")
	}
	return nil
}

func (s *session) hello(line []byte, extended bool) error {
	name := bytes.TrimSpace(line[4:])
	if done, err := s.act(Helo, name); done || err != nil {
		return err
	}
	s.reset()
	s.helo = append(s.helo[:0], name...)
	text := s.hostname()
	if !extended {
		s.reply(250, text)
		return nil
	}
	if !s.sink.NoPipelining {
		text += "\nPIPELINING"
	}
	if s.sink.TLS != nil && !s.tls {
		text += "\nSTARTTLS"
	}
	s.reply(250, text+"\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES\nDSN\nSIZE "+strconv.FormatInt(s.sink.MaxSize, 10))
	return nil
}

func (s *session) mailFrom(line []byte) error {
	if s.hasFrom {
		s.reply(503, "5.5.1 Sender already given")
		return nil
	}
	if s.full() {
		return s.refuseMore()
	}
	from, ok := address(line)
	if !ok {
		s.reply(501, "5.5.4 Syntax: MAIL FROM:<address>")
		return nil
	}
	if done, err := s.act(Mail, from); done || err != nil {
		return err
	}
	s.from, s.hasFrom = append(s.from[:0], from...), true
	s.out = append(s.out, "250 2.1.0 OK\r\n"...)
	return nil
}

const maxRecipients = 10_000

func (s *session) rcptTo(line []byte) error {
	if !s.hasFrom {
		s.reply(503, "5.5.1 Sender first")
		return nil
	}
	if len(s.ends) >= maxRecipients {
		s.reply(452, "4.5.3 Too many recipients")
		return nil
	}
	to, ok := address(line)
	if !ok || len(to) == 0 {
		s.reply(501, "5.5.4 Syntax: RCPT TO:<address>")
		return nil
	}
	if done, err := s.act(Rcpt, to); done || err != nil {
		return err
	}
	s.rcpts = append(s.rcpts, to...)
	s.ends = append(s.ends, len(s.rcpts))
	s.out = append(s.out, "250 2.1.5 OK\r\n"...)
	return nil
}

func (s *session) recipient(i int) []byte {
	start := 0
	if i > 0 {
		start = s.ends[i-1]
	}
	return s.rcpts[start:s.ends[i]]
}

func (s *session) dataCommand() error {
	if len(s.ends) == 0 {
		s.reply(503, "5.5.1 Recipients first")
		return nil
	}
	last := s.recipient(len(s.ends) - 1)
	if done, err := s.act(Data, last); done || err != nil {
		return err
	}
	s.out = append(s.out, "354 Go ahead\r\n"...)
	s.mail.begin(s.sink)
	if err := s.readMail(); err != nil {
		return err
	}
	s.messages++
	defer s.reset()
	if s.sink.MaxSize > 0 && s.mail.size > s.sink.MaxSize {
		s.reply(552, "5.3.4 Too large")
		return nil
	}
	if done, err := s.act(Dot, last); done || err != nil {
		return err
	}
	s.accept()
	if s.peer != nil {
		s.sink.peers.accepted(s.peer)
	}
	s.out = append(s.out, "250 2.0.0 OK\r\n"...)
	return s.partAfterMail()
}

// address returns what stands between the brackets of MAIL FROM:<…> or RCPT TO:<…>.
func address(line []byte) ([]byte, bool) {
	i := bytes.IndexByte(line, '<')
	if i < 0 {
		return nil, false
	}
	j := bytes.IndexByte(line[i:], '>')
	if j < 0 {
		return nil, false
	}
	return line[i+1 : i+j], true
}

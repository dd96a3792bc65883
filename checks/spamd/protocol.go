package spamd

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/printable"
)

// request is the head of what is sent. headers are whole lines.
type request struct {
	command, user, headers string
}

// bodyError is a mail that could not be read.
type bodyError struct{ cause error }

func (e *bodyError) Error() string { return "reading the mail: " + e.cause.Error() }
func (e *bodyError) Unwrap() error { return e.cause }

const maxUser = 1024

// valid checks that the user's name is one line of a reasonable length.
func (r request) valid() error {
	if len(r.user) > maxUser || strings.ContainsAny(r.user, "\r\n\x00") {
		return fmt.Errorf("spamd cannot have a user %q", printable.Text(r.user, 100))
	}
	return nil
}

// buffers are what mails are sent through.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// send writes the request and the mail, and says that nothing follows. The head travels with the beginning of the mail.
func (r request) send(conn net.Conn, body checks.Body) error {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	head := append(buf[:0], r.command...)
	head = append(head, " SPAMC/1.5\r\nContent-length: "...)
	size := body.Size()
	head = strconv.AppendInt(head, size, 10)
	head = append(head, "\r\n"...)
	if r.user != "" {
		head = append(append(append(head, "User: "...), r.user...), "\r\n"...)
	}
	head = append(append(head, r.headers...), "\r\n"...)
	filled := len(head)
	for off := int64(0); ; {
		n := min(size-off, int64(len(buf)-filled))
		if n > 0 {
			got, err := body.ReadAt(buf[filled:filled+int(n)], off)
			if got < int(n) {
				if err == nil || err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return &bodyError{err}
			}
		}
		if _, err := conn.Write(buf[:filled+int(n)]); err != nil {
			return err
		}
		if off += n; off >= size {
			break
		}
		filled = 0
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // older versions wait for it
	}
	return nil
}

const (
	maxReply   = 64 << 10 // of an answer
	maxSymbols = 1000
	maxScore   = 1e6
)

// AnswerError is an answer of spamd that is no verdict.
type AnswerError struct {
	Code int    // one of sysexits.h, such as 75 (try again later); 0 when the answer could not be understood
	Text string // printable, short
}

// Error returns what spamd said.
func (e *AnswerError) Error() string {
	if e.Code == 0 {
		return "spamd answered nonsense: " + e.Text
	}
	return fmt.Sprintf("spamd answered %d %s", e.Code, e.Text)
}

func nonsense(format string, args ...any) error {
	return &AnswerError{Text: fmt.Sprintf(format, args...)}
}

// reply is the answer to a request that spamd carried out.
type reply struct {
	headers textproto.MIMEHeader
	body    string
}

// header returns one of its headers; none when there is no reply.
func (r reply) header(name string) string { return r.headers.Get(name) }

// readReply reads "SPAMD/1.1 0 EX_OK", header lines, an empty line, and what follows until the end.
func readReply(conn io.Reader) (reply, error) {
	limited := &io.LimitedReader{R: conn, N: maxReply}
	in := textproto.NewReader(bufio.NewReader(limited))
	line, err := in.ReadLine()
	if err != nil {
		return reply{}, fmt.Errorf("reading spamd's answer: %w", err)
	}
	protocol, rest, _ := strings.Cut(line, " ")
	number, text, _ := strings.Cut(rest, " ")
	code, err := strconv.Atoi(number)
	if !strings.HasPrefix(protocol, "SPAMD/") || err != nil || code < 0 {
		return reply{}, nonsense("%s", printable.Text(line, 100))
	}
	if code != 0 {
		return reply{}, &AnswerError{Code: code, Text: printable.Text(text, 100)}
	}
	var r reply
	if r.headers, err = in.ReadMIMEHeader(); err != nil {
		return reply{}, fmt.Errorf("reading spamd's answer: %w", err)
	}
	body, err := io.ReadAll(in.R)
	if err != nil {
		return reply{}, fmt.Errorf("reading spamd's answer: %w", err)
	}
	if limited.N == 0 {
		return reply{}, nonsense("more than %d bytes", maxReply)
	}
	if length := r.header("Content-length"); length != "" {
		n, err := strconv.Atoi(strings.TrimSpace(length))
		if err != nil || n < 0 {
			return reply{}, nonsense("Content-length: %s", printable.Text(length, 100))
		}
		if n > len(body) {
			return reply{}, fmt.Errorf("reading spamd's answer: %w: %d of %d bytes", io.ErrUnexpectedEOF, len(body), n)
		}
		body = body[:n]
	}
	r.body = string(body)
	return r, nil
}

// score reads "Spam: True ; 1000.0 / 5.0" and the symbols.
func (r reply) score() (Score, error) {
	line := r.header("Spam")
	word, numbers, ok := strings.Cut(line, ";")
	points, limit, ok2 := strings.Cut(numbers, "/")
	if !ok || !ok2 {
		return Score{}, nonsense("Spam: %s", printable.Text(line, 100))
	}
	var s Score
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "true", "yes":
		s.Spam = true
	case "false", "no":
	default:
		return Score{}, nonsense("Spam: %s", printable.Text(line, 100))
	}
	var err, err2 error
	s.Score, err = number(points)
	s.Threshold, err2 = number(limit)
	if err != nil || err2 != nil {
		return Score{}, nonsense("Spam: %s", printable.Text(line, 100))
	}
	for _, symbol := range strings.FieldsFunc(r.body, func(c rune) bool { return c == ',' || c <= ' ' }) {
		if len(s.Symbols) == maxSymbols || !isSymbol(symbol) {
			return Score{}, nonsense("symbols: %s", printable.Text(symbol, 100))
		}
		s.Symbols = append(s.Symbols, symbol)
	}
	return s, nil
}

// number reads a score as spamd writes it: no exponent, no hexadecimal, no infinity.
func number(s string) (float64, error) {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "+-.0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	f, err := strconv.ParseFloat(s, 64)
	if err == nil && math.Abs(f) > maxScore {
		err = strconv.ErrRange
	}
	return f, err
}

// isSymbol reports whether s is the name of a rule.
func isSymbol(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return len(s) <= 256
}

// version finds "SpamAssassin 4.0.1" in the headers that spamd added to a mail.
func (r reply) version() string {
	in := textproto.NewReader(bufio.NewReader(strings.NewReader(r.body + "\r\n\r\n")))
	headers, _ := in.ReadMIMEHeader()
	text := headers.Get("X-Spam-Checker-Version")
	if end := strings.IndexAny(text, "(;"); end >= 0 {
		text = text[:end]
	}
	return printable.Text(strings.TrimSpace(text), 100)
}

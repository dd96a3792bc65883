package external

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/sluicemail/sluice/internal/printable"
)

const (
	maxHeader  = 16 << 10 // of an answer
	maxInterim = 5        // answers that announce another one
	maxReason  = 200      // bytes of a proxy's own words that are passed on
)

// httpConnect asks for target and returns a connection to it. What the target said together with the proxy's answer is
// read from it first.
func httpConnect(nc net.Conn, target netip.AddrPort) (net.Conn, error) {
	host := netip.AddrPortFrom(target.Addr().Unmap(), target.Port()).String()
	if _, err := io.WriteString(nc, "CONNECT "+host+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		return nil, err
	}
	rest, err := readConnectReply(nc)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return &begunConn{Conn: nc, read: rest}, nil
	}
	return nc, nil
}

// readConnectReply reads the answer to CONNECT and returns what came behind it. Whatever a success says about its
// length, it has no body (RFC 9110 §9.3.6); that of a refusal is not read.
func readConnectReply(r io.Reader) (rest []byte, err error) {
	buf := make([]byte, 0, 512)
	for range maxInterim {
		end := 0
		for end = headerEnd(buf); end < 0; end = headerEnd(buf) {
			if buf, err = readMore(r, buf); err != nil {
				return nil, err
			}
		}
		code, reason, err := parseStatus(buf[:end])
		switch {
		case err != nil:
			return nil, err
		case code >= 200 && code <= 299:
			return buf[end:], nil
		case code >= 200:
			return nil, httpRefusal(code, reason)
		}
		buf = append(buf[:0], buf[end:]...)
	}
	return nil, fmt.Errorf("%w: it keeps announcing one", errNonsense)
}

// readMore appends what one read returns.
func readMore(r io.Reader, buf []byte) ([]byte, error) {
	if len(buf) >= maxHeader {
		return buf, fmt.Errorf("%w: more than %d bytes of header", errNonsense, maxHeader)
	}
	if len(buf) >= 5 && string(buf[:5]) != "HTTP/" {
		return buf, fmt.Errorf("%w: %s", errNonsense, words(buf))
	}
	if len(buf) == cap(buf) {
		buf = append(buf, 0)[:len(buf)]
	}
	n, err := r.Read(buf[len(buf):min(cap(buf), maxHeader)])
	buf = buf[:len(buf)+n]
	if n > 0 {
		return buf, nil
	}
	if errors.Is(err, io.EOF) || err == nil {
		err = errHalf
	}
	return buf, err
}

// headerEnd returns where the header ends, after its empty line; -1: not yet. Lines may end without CR (RFC 9112 §2.2).
func headerEnd(buf []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(buf[at:], '\n')
		if i < 0 {
			return -1
		}
		line := bytes.TrimSuffix(buf[at:at+i], []byte("\r"))
		if len(line) == 0 && at > 0 {
			return at + i + 1
		}
		at += i + 1
	}
}

// parseStatus reads the first line of a header, "HTTP/1.1 200 some words" (RFC 9112 §4).
func parseStatus(header []byte) (code int, reason string, err error) {
	line, _, _ := bytes.Cut(header, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	version, after, _ := bytes.Cut(line, []byte(" "))
	digits, text, _ := bytes.Cut(after, []byte(" "))
	code, err = strconv.Atoi(string(digits))
	if err != nil || len(digits) != 3 || code < 100 || !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return 0, "", fmt.Errorf("%w: %s", errNonsense, words(line))
	}
	return code, words(text), nil
}

// words makes what a proxy said fit for a description.
func words(text []byte) string {
	return printable.Text(string(text), maxReason)
}

func httpRefusal(code int, reason string) *refusal {
	if reason == "" {
		reason = http.StatusText(code)
	}
	r := &refusal{text: fmt.Sprintf("it answered %d %s", code, reason), status: "4.3.5"}
	switch code {
	case http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusUnauthorized:
		r.status, r.elsewhere = "4.7.0", code == http.StatusForbidden
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		r.status, r.elsewhere = "4.4.1", true
	}
	return r
}

// begunConn is a connection of which something was read already.
type begunConn struct {
	net.Conn
	read []byte
}

func (c *begunConn) Read(p []byte) (int, error) {
	if len(c.read) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil
	}
	return n, nil
}

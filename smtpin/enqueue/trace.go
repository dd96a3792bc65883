package enqueue

import (
	"crypto/tls"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/smtpin"
)

// appendReceived appends the trace field of RFC 5321 §4.4. only is the mail's recipient when it has just one: with
// several, the field would tell each of them about another.
func appendReceived(dst []byte, c *smtpin.Conn, id, only string, now time.Time) []byte {
	dst = append(dst, "Received: from "...)
	dst = appendHELO(dst, c.Hostname())
	if remote := c.Remote().Addr(); remote.IsValid() {
		dst = append(dst, " ("...)
		dst = addr.AppendLiteral(dst, remote)
		dst = append(dst, ')')
	}
	dst = append(dst, "\r\n\tby "...)
	dst = appendHELO(dst, c.ServerName())
	dst = append(dst, " with "...)
	dst = append(dst, c.Protocol()...)
	if state, ok := c.TLS(); ok {
		dst = append(dst, " ("...)
		dst = append(dst, tlsVersion(state.Version)...)
		dst = append(dst, ' ')
		dst = append(dst, tls.CipherSuiteName(state.CipherSuite)...)
		dst = append(dst, ')')
	}
	dst = append(dst, "\r\n\tid "...)
	dst = append(dst, id...)
	if only != "" && isPrintable(only, c) {
		dst = append(dst, "\r\n\tfor <"...)
		dst = append(dst, only...)
		dst = append(dst, '>')
	}
	return appendDate(dst, now)
}

// appendDate appends the end of a trace field.
func appendDate(dst []byte, now time.Time) []byte {
	dst = append(dst, ";\r\n\t"...)
	dst = now.UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 -0700")
	return append(dst, '\r', '\n')
}

// isPrintable reports whether an address can stand in the field: only mail sent with SMTPUTF8 may have characters
// beyond ASCII there.
func isPrintable(address string, c *smtpin.Conn) bool {
	const maxAddress = 320 // local part, @, domain (RFC 5321 §4.5.3.1)
	for i := range len(address) {
		if b := address[i]; b < ' ' || b == 0x7f || b > 0x7f && !strings.HasPrefix(c.Protocol(), "UTF8") {
			return false
		}
	}
	return len(address) <= maxAddress
}

// appendHELO appends what somebody says he is called. Clients say anything: what could not stand in a domain or an
// address literal becomes a question mark.
func appendHELO(dst []byte, name string) []byte {
	const maxName = 255 // RFC 5321 §4.5.3.1.2
	if name == "" {
		return append(dst, "unknown"...)
	}
	for i := range min(len(name), maxName) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;\"`, c) >= 0 {
			c = '?'
		}
		dst = append(dst, c)
	}
	return dst
}

// tlsVersion is tls.VersionName without the blank.
func tlsVersion(v uint16) string {
	switch v {
	case tls.VersionTLS13:
		return "TLS1.3"
	case tls.VersionTLS12:
		return "TLS1.2"
	case tls.VersionTLS11:
		return "TLS1.1"
	case tls.VersionTLS10:
		return "TLS1.0"
	}
	return "TLS"
}

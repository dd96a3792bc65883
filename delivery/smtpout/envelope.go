package smtpout

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/queue"
)

// appendMail appends MAIL with the parameters that the remote understands.
func (c *connection) appendMail(dst []byte, m *mail) []byte {
	dst = append(dst, "MAIL FROM:<"...)
	dst = append(dst, m.from...)
	dst = append(dst, '>')
	if c.ext.sizes {
		dst = append(dst, " SIZE="...)
		dst = strconv.AppendInt(dst, m.wire, 10)
	}
	switch {
	case m.chunked && (m.binary || m.shape.binary()) && c.ext.binary:
		dst = append(dst, " BODY=BINARYMIME"...)
	case m.shape.eight && c.ext.eightBit:
		dst = append(dst, " BODY=8BITMIME"...)
	}
	if m.utf8 {
		dst = append(dst, " SMTPUTF8"...)
	}
	if c.hop.RequireTLS {
		dst = append(dst, " REQUIRETLS"...)
	}
	if c.ext.priority || c.ext.deliverBy {
		dst = c.appendPromises(dst, m.tx.Message)
	}
	if c.ext.dsn {
		envid := m.tx.EnvID
		if dsn := m.tx.Message.DSN; dsn != nil {
			if ret := strings.ToUpper(dsn.Ret); ret == "FULL" || ret == "HDRS" {
				dst = append(append(dst, " RET="...), ret...)
			}
			envid = cmp.Or(dsn.EnvID, envid)
		}
		dst = appendEnvID(dst, envid)
	}
	return append(dst, "\r\n"...)
}

// appendRcpt appends RCPT, likewise.
func (c *connection) appendRcpt(dst []byte, m *mail) []byte {
	dst = append(dst, "RCPT TO:<"...)
	dst = append(dst, m.to...)
	dst = append(dst, '>')
	if dsn := m.tx.Message.DSN; dsn != nil && c.ext.dsn {
		dst = appendNotify(dst, dsn)
		dst = appendORcpt(dst, dsn.ORcpt)
	}
	return append(dst, "\r\n"...)
}

// appendNotify appends NOTIFY. NEVER goes alone (RFC 3461 §4.1).
func appendNotify(dst []byte, dsn *queue.DSN) []byte {
	var seen [3]bool
	words := [...]string{"SUCCESS", "FAILURE", "DELAY"}
	for _, word := range dsn.Notify {
		if strings.EqualFold(word, "NEVER") {
			return append(dst, " NOTIFY=NEVER"...)
		}
		for i := range words {
			seen[i] = seen[i] || strings.EqualFold(word, words[i])
		}
	}
	separator := " NOTIFY="
	for i, word := range words {
		if seen[i] {
			dst = append(append(dst, separator...), word...)
			separator = ","
		}
	}
	return dst
}

// appendEnvID appends ENVID: at most 100 bytes as it is encoded, and printable before (RFC 3461 §4.4). What is not goes
// without: a remote would refuse the mail.
func appendEnvID(dst []byte, id string) []byte {
	const name, most = " ENVID=", 100
	if id == "" || hasControl(id) || !addr.IsASCII(id) {
		return dst
	}
	with := appendXtext(append(dst, name...), id)
	if len(with)-len(dst) > len(name)+most {
		return dst
	}
	return with
}

// appendORcpt appends ORCPT, at most 500 bytes as it is encoded (RFC 3461 §4.2). The property holds "type;address" or
// an address alone, not encoded.
func appendORcpt(dst []byte, orcpt string) []byte {
	const name, most = " ORCPT=", 500
	if orcpt == "" || hasControl(orcpt) {
		return dst
	}
	kind, address, found := strings.Cut(orcpt, ";")
	if !found || !isAtom(kind) {
		kind, address = "rfc822", orcpt
	}
	if !addr.IsASCII(address) {
		kind = "utf-8"
	}
	with := append(append(append(dst, name...), kind...), ';')
	if strings.EqualFold(kind, "utf-8") {
		with = addr.AppendEmbedded(with, address)
	} else {
		with = appendXtext(with, address)
	}
	if len(with)-len(dst) > len(name)+most {
		return dst
	}
	return with
}

func isAtom(text string) bool {
	for i := range len(text) {
		c := text[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-') {
			return false
		}
	}
	return text != ""
}

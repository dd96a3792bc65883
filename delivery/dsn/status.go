package dsn

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/internal/printable"
)

// maxText bounds what is quoted of a server's reply.
const maxText = 2000

// appendStatus appends the fields for programs: those of the mail, an empty line, those of the recipient (RFC 3464 §2).
func (c *composer) appendStatus(dst []byte) []byte {
	if c.m.DSN != nil && c.m.DSN.EnvID != "" {
		dst = field(dst, "Original-Envelope-Id", c.m.DSN.EnvID)
	}
	dst = field(dst, "Reporting-MTA", "dns; "+c.Host)
	if from := c.m.Connection; from != nil {
		if ip, err := netip.ParseAddr(from.RemoteIP); err == nil {
			dst = field(dst, "Received-From-MTA", "dns; "+string(addr.AppendLiteral(nil, ip)))
		}
	}
	if !c.m.Received.IsZero() {
		dst = field(dst, "Arrival-Date", c.m.Received.Format(time.RFC1123Z))
	}
	dst = append(dst, "\r\n"...)

	if c.m.DSN != nil && c.m.DSN.ORcpt != "" {
		dst = field(dst, "Original-Recipient", c.typed(c.m.DSN.ORcpt))
	}
	dst = field(dst, "Final-Recipient", c.typed(c.m.Recipient))
	dst = field(dst, "Action", c.event.action())
	dst = field(dst, "Status", c.status())
	r := c.result
	if r.MTA != "" {
		dst = field(dst, "Remote-MTA", "dns; "+r.MTA)
	}
	if code := c.diagnostic(); code != "" {
		dst = field(dst, "Diagnostic-Code", code)
	}
	if !r.Time.IsZero() {
		dst = field(dst, "Last-Attempt-Date", r.Time.Format(time.RFC1123Z))
	}
	if c.event == delayed && !c.until.IsZero() {
		dst = field(dst, "Will-Retry-Until", c.until.Format(time.RFC1123Z))
	}
	return dst
}

// field appends a field whose value came from anywhere.
func field(dst []byte, name, value string) []byte {
	return mailheader.AppendField(dst, name, oneLine(value))
}

// oneLine has question marks for unprintable characters, which those beyond ASCII are not.
func oneLine(s string) string { return strings.Map(visible, strings.ToValidUTF8(s, "?")) }

func visible(c rune) rune {
	if c < ' ' || c == 0x7f || 0x80 <= c && c < 0xa0 {
		return '?'
	}
	return c
}

// typed returns an address with its type, "rfc822; jo@example.com". One that has a type keeps it. Beyond ASCII is only
// what a global report may have (RFC 6533 §3).
func (c *composer) typed(address string) string {
	if kind, rest, found := strings.Cut(address, ";"); found && !strings.ContainsAny(kind, `@" `) && kind != "" {
		rest = strings.TrimSpace(rest)
		if !addr.IsASCII(rest) && !c.global() {
			rest = string(addr.AppendEmbedded(nil, rest))
		}
		return kind + "; " + rest
	}
	if !addr.IsASCII(address) {
		return "utf-8; " + address // RFC 6533 §3
	}
	return "rfc822; " + address
}

// status returns the enhanced status code: the result's, or the class alone where that has none that fits.
func (c *composer) status() string {
	class := [...]string{"5", "4", "2", "2"}[c.event]
	status := c.result.Status
	if own, _, found := strings.Cut(status, "."); found && (own == class || c.event == failed && own == "4") {
		return printable.Text(status, 20)
	}
	if c.event == failed && c.result.Code/100 == 4 {
		return "4.0.0"
	}
	return class + ".0.0"
}

// diagnostic returns what the server said, or we: "smtp; 550 5.1.1 no such user".
func (c *composer) diagnostic() string {
	r := c.result
	text := r.Description
	if r.Status != "" {
		text = strings.TrimSpace(r.Status + " " + text)
	}
	if r.Code != 0 {
		text = strings.TrimSpace(strconv.Itoa(r.Code) + " " + text)
	}
	if text == "" {
		return ""
	}
	kind := "smtp; " // over LMTP as well: the replies are those of SMTP (RFC 2033 §4)
	if r.MTA == "" && (r.To == "" || strings.HasPrefix(r.To, "maildir:")) {
		kind = "x-sluice; " // no server was asked
	}
	return kind + clip(text, maxText)
}

// clip returns the first most bytes of s, whole characters of it.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " ..."
}

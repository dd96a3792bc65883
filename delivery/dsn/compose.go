package dsn

import (
	"bytes"
	"crypto/rand"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

// composer writes one notification.
type composer struct {
	*Notifier
	m      *queue.Message
	result *queue.Result // what happened
	event  event
	to     string
	now    time.Time
	until  time.Time // trying ends; zero: not known

	original original
}

// mail returns the notification: multipart/report with a text, the fields for programs, and what is returned
// (RFC 6522).
func (c *composer) mail() []byte {
	c.original = readOriginal(c.m.Body, c.ret())
	text := c.text()
	mediaType, returned := c.original.content(c.global())
	boundary := c.boundary(returned)

	out := make([]byte, 0, 4096+len(text.body)+len(returned))
	out = c.appendHeader(out, text, boundary)
	out = appendPart(out, boundary, "text/plain; charset=utf-8", "quoted-printable", nil)
	out = appendQuoted(out, text.body)
	status := "message/delivery-status"
	if c.global() {
		status = "message/global-delivery-status" // RFC 6533 §3
	}
	fields := c.appendStatus(nil)
	out = appendPart(out, boundary, status, encodingOf(fields), fields)
	if len(returned) > 0 {
		out = appendPart(out, boundary, mediaType, encodingOf(returned), returned)
	}
	return append(out, "\r\n--"+boundary+"--\r\n"...)
}

// global reports whether the addresses need the media types of RFC 6533.
func (c *composer) global() bool { return !addr.IsASCII(c.m.Recipient) || !addr.IsASCII(c.m.Envelope) }

func (c *composer) appendHeader(dst []byte, text notice, boundary string) []byte {
	from := at(c.From, c.Host)
	if from == "" {
		from = "postmaster@" + c.Host
	}
	add := func(name, value string) { dst = mailheader.AppendField(dst, name, value) }
	add("From", encoded(text.from)+" <"+from+">")
	add("To", "<"+c.to+">")
	add("Subject", encoded(text.subject))
	add("Date", c.now.Format(time.RFC1123Z))
	add("Message-ID", "<"+strings.ToLower(rand.Text())+"@"+addr.Domain(from)+">")
	if id := c.original.field("message-id"); strings.HasPrefix(id, "<") && len(id) < 500 && addr.IsASCII(id) {
		add("In-Reply-To", id)
		add("References", id)
	}
	add("Auto-Submitted", "auto-replied") // RFC 3834 §5
	add("MIME-Version", "1.0")
	add("Content-Type", `multipart/report; report-type=delivery-status; boundary="`+boundary+`"`)
	return append(dst, "\r\n"...)
}

// encoded returns a text as encoded words where it is not ASCII (RFC 2047).
func encoded(text string) string { return mime.QEncoding.Encode("utf-8", text) }

// ret is FULL or HDRS.
func (c *composer) ret() string {
	ret := c.Ret
	if c.m.DSN != nil && c.m.DSN.Ret != "" {
		ret = c.m.DSN.Ret
	}
	if strings.EqualFold(ret, "FULL") && c.event == failed && !c.m.RequireTLS {
		return "FULL" // RFC 3461 §4.3: with others the header is enough
	}
	return "HDRS"
}

// boundary returns one that does not occur in content.
func (c *composer) boundary(content []byte) string {
	for {
		if b := "report-" + rand.Text(); !bytes.Contains(content, []byte(b)) {
			return b
		}
	}
}

// appendPart appends the header of a part, and the content as it is.
func appendPart(dst []byte, boundary, mediaType, encoding string, content []byte) []byte {
	dst = append(dst, "\r\n--"+boundary+"\r\nContent-Type: "+mediaType+"\r\n"...)
	if encoding != "7bit" {
		dst = append(dst, "Content-Transfer-Encoding: "+encoding+"\r\n"...)
	}
	return append(append(dst, "\r\n"...), content...)
}

func encodingOf(content []byte) string {
	for _, b := range content {
		if b >= 0x80 {
			return "8bit"
		}
	}
	return "7bit"
}

func appendQuoted(dst []byte, text string) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // never fails
	_ = w.Close()
	return append(dst, b.Bytes()...)
}

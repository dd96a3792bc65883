package enqueue

import (
	"bytes"
	"mime"
	"strings"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/authres"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

// mails are the mail as recipients that are local get it, and as others do. Usually they are one.
type mails struct{ local, other queue.Body }

func (m mails) of(r *recipient) queue.Body {
	if r.local {
		return m.local
	}
	return m.other
}

// edit puts into the header of the mail what the checks have found, and takes out what claims to be of us. Where
// recipients of both kinds get different headers, the mail is stored twice: clients name both only when they may relay.
func (d *delivery) edit(body queue.Body, header []byte) mails {
	c := d.policy
	e := headerEdit{trace: d.receive.traceLen(), header: header}
	if c.ResultsLocal || c.ResultsOther {
		e.forged = []string{d.serverID(), d.conn.ServerName()}
	}
	if c.SpamSubject != "" && isSpam(d.found) {
		e.prefix = c.SpamSubject
	}
	local, other := d.anyLocal(), d.anyOther()
	if local && other && c.ResultsLocal != c.ResultsOther {
		return mails{
			local: d.receive.begunWith(e.apply(d.results(c.ResultsLocal)), body),
			other: d.receive.begunWith(e.apply(d.results(c.ResultsOther)), body),
		}
	}
	body = d.receive.beginWith(e.apply(d.results(local && c.ResultsLocal || other && c.ResultsOther)), body)
	return mails{body, body}
}

// results returns the field for our findings, or nil when it is not wanted.
func (d *delivery) results(wanted bool) []byte {
	if !wanted {
		return nil
	}
	h := authres.Header{ID: d.serverID(), Results: make([]checks.Result, len(d.found))}
	for i := range d.found {
		h.Results[i] = d.found[i]
		if !registered(d.found[i].Check) {
			h.Results[i].Check = "x-" + d.found[i].Check
		}
	}
	return h.Append(nil)
}

// registered reports whether a check is one of IANA's email authentication methods (RFC 8601 §6.2): others are marked
// as our own.
func registered(check string) bool {
	switch check {
	case "spf", "dkim", "dmarc", "arc":
		return true
	}
	return false
}

func isSpam(found []checks.Result) bool {
	for i := range found {
		if s, ok := found[i].Detail.(checks.Spam); ok && s.Spam {
			return true
		}
	}
	return false
}

func (d *delivery) anyOther() bool {
	for i := range d.rcpts {
		if !d.rcpts[i].local {
			return true
		}
	}
	return false
}

// headerEdit is what is to be changed in the header of a mail, in whose first bytes our own fields stand.
type headerEdit struct {
	header []byte
	trace  int
	forged []string // names of ours that no Authentication-Results may bear
	prefix string   // of the subject
}

// apply returns a new header that begins with the given fields, or nil when nothing changes. They stand above our
// Received field, where RFC 8601 §4.1 wants them.
func (e *headerEdit) apply(above []byte) []byte {
	if above == nil && e.forged == nil && e.prefix == "" {
		return nil
	}
	out := make([]byte, 0, len(above)+len(e.header)+len(e.prefix)+64)
	out = append(append(out, above...), e.header[:e.trace]...)
	changed, subject := len(above) > 0, e.prefix == ""
	s := mailheader.NewScanner(e.header[e.trace:])
	at := len(out)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		switch {
		case e.isForged(f):
			changed = true
		case e.prefix != "" && f.Is("subject"):
			before := len(out)
			out, subject = appendSubject(out, f, e.prefix), true
			changed = changed || !bytes.Equal(out[before:], f.Raw)
		default:
			out = append(out, f.Raw...)
		}
	}
	out = append(out, e.header[e.trace+s.Offset():]...)
	if !subject { // a mail without one gets one
		field := mailheader.AppendField(nil, "Subject", encoded(e.prefix))
		out, changed = append(out[:at], append(field, out[at:]...)...), true
	}
	if !changed {
		return nil
	}
	return out
}

func (e *headerEdit) isForged(f mailheader.Field) bool {
	if len(e.forged) == 0 || !f.Is("authentication-results") {
		return false
	}
	for _, id := range e.forged {
		if authres.Claims(f.Value(), id) {
			return true
		}
	}
	return false
}

// maxSubjectLine is how long the first line of a subject may become; RFC 5322 §2.1.1 allows 998 bytes.
const maxSubjectLine = 900

// appendSubject appends a Subject field with a prefix, or as it is when it has the prefix already. The rest of the
// subject stays as it was written, encoded or not.
func appendSubject(dst []byte, f mailheader.Field, prefix string) []byte {
	if hasPrefix(f.Value(), prefix) {
		return append(dst, f.Raw...)
	}
	rest := f.Raw[bytes.IndexByte(f.Raw, ':')+1:]
	dst = append(append(dst, "Subject: "...), encoded(prefix)...)
	line := len(rest)
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		line = i
	}
	switch {
	case line+len(prefix) > maxSubjectLine:
		dst = append(dst, "\r\n "...)
	case len(rest) > 0 && rest[0] != ' ' && rest[0] != '\t' && rest[0] != '\r':
		dst = append(dst, ' ')
	}
	return append(dst, rest...)
}

// hasPrefix reports whether a subject begins with the prefix, once it is decoded.
func hasPrefix(subject []byte, prefix string) bool {
	text := string(mailheader.AppendUnfolded(nil, subject[:min(len(subject), 4*len(prefix)+1000)]))
	if strings.HasPrefix(text, prefix) {
		return true
	}
	if !strings.HasPrefix(text, "=?") {
		return false
	}
	var d mime.WordDecoder
	decoded, err := d.DecodeHeader(text)
	return err == nil && strings.HasPrefix(decoded, prefix)
}

// encoded returns a prefix as it stands in a header: ASCII as it is, anything else in encoded words (RFC 2047). A
// decoder joins such a word with one that follows, so that the blank between prefix and subject belongs into it.
func encoded(prefix string) string {
	for i := range len(prefix) {
		if c := prefix[i]; c < ' ' || c >= 0x7f {
			return mime.BEncoding.Encode("utf-8", prefix+" ")
		}
	}
	return prefix
}

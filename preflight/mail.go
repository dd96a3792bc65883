package preflight

import (
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/internal/mailsig"
)

// Mail is a mail as it is about to leave, and what goes with it.
type Mail struct {
	Text     []byte     // the mail, or its beginning: the whole header at least
	Size     int64      // of the whole mail; zero: that of Text
	Envelope string     // MAIL FROM; "": the null sender
	Hostname string     // what we say in EHLO; "": not known
	Source   netip.Addr // that it leaves from; zero: not known
	// Transactional says that nobody has subscribed to it: unsubscribing is not asked for.
	Transactional bool
}

func (m *Mail) size() int64 { return max(m.Size, int64(len(m.Text))) }

// sender returns the domain that SPF may vouch for: that of the envelope, or of EHLO for the null sender.
func (m *Mail) sender() string {
	if m.Envelope == "" {
		return addr.Fold(m.Hostname)
	}
	return addr.Domain(m.Envelope)
}

// name numbers the fields that are looked at.
type name uint8

const (
	from name = iota
	sender
	replyTo
	to
	cc
	bcc
	messageID
	inReplyTo
	references
	subject
	date
	mimeVersion
	contentType
	contentEncoding
	unsubscribe
	unsubscribePost
	nameCount
)

// names are those of the fields, in lower case. Each may stand once (RFC 5322 §3.6, RFC 2045 §3, RFC 2369 §3.4).
var names = [nameCount]string{"from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to",
	"references",
	"subject", "date", "mime-version", "content-type", "content-transfer-encoding", "list-unsubscribe",
	"list-unsubscribe-post"}

// mostSignatures is how many signatures are looked at, as many as receivers do.
const mostSignatures = 10

// view is a mail while it is looked at.
type view struct {
	mail       *Mail
	now        time.Time
	header     int // length, with the empty line
	count      [nameCount]int
	first      [nameCount]mailheader.Field
	signatures []mailsig.Signature
	signed     int      // DKIM-Signature fields, usable or not
	author     []string // domains of From
	found      []Finding
}

func (v *view) add(r rule, found string) { v.found = append(v.found, r.finding(found)) }

func (v *view) value(n name) []byte { return v.first[n].Value() }

// Look returns what a mail itself shows, the order being that of the rules' subjects: form, domains, unsubscribing. now
// is what its Date is compared with. It keeps nothing of the mail.
func Look(m *Mail, now time.Time) []Finding { return look(m, now).found }

func look(m *Mail, now time.Time) *view {
	v := &view{mail: m, now: now}
	v.header, _ = mailheader.Length(m.Text, 0)
	if mailheader.Headless(m.Text) {
		v.add(noHeader, "")
		return v
	}
	v.readHeader()
	v.checkLines()
	v.checkAuthor()
	v.checkIdentity()
	v.checkSigners()
	v.checkUnsubscribe()
	return v
}

// checkAuthor looks at From.
func (v *view) checkAuthor() {
	if v.count[from] == 0 {
		v.add(noFrom, "")
		return
	}
	value := v.value(from)
	var room [2][]byte
	if len(mailheader.AppendAddresses(room[:0], value, len(room))) > 1 {
		v.add(severalFrom, "")
	}
	if v.author, _ = dmarc.FromDomains(string(value)); len(v.author) == 0 {
		v.add(badFrom, "From is "+shown(value))
	}
}

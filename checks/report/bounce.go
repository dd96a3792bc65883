package report

import (
	"bytes"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// Bounces that are older than RFC 3464, or by programs that do not know it, are text for people. They are recognised when all of
// this holds: the sender is a program, the mail came over no list, the text names addresses that it could not be delivered to, and
// something shows that this is what the text is about. For a program of which nothing else comes, that is one of the usual phrases, or
// a reply code as a reason. Behind the address of a postmaster are people too: there the phrase must be in the subject, and a reason
// with a code, or the mail, must come with it. What has but a null return path may be any automatic reply: there, all of these must come together.

// bounce reads a mail as a bounce of this kind; nil when it is none.
func bounce(header []byte, from origin, leaves []leaf) *Delivery {
	n := notice{header: header, text: noticeText(leaves), certain: from == daemon}
	if n.certain || n.titled() || n.says(phrases) && nullSender(header) && !answers(header) {
		if d := misplaced(n.text, leaves); d != nil {
			return d
		}
	}
	d := n.read()
	attached := original(leaves)
	if attached != nil {
		d.Original = attached
	}
	if len(d.Recipients) == 0 && (from == daemon || from == official && nullSender(header)) && n.titled() {
		d.Recipients = n.ofCopy(leaves, d.Original)
	}
	if len(d.Recipients) == 0 || !n.convincing(from, d) {
		return nil
	}
	return d
}

// convincing reports whether a text that names recipients is a bounce.
func (n *notice) convincing(from origin, d *Delivery) bool {
	known, null := slices.ContainsFunc(d.Recipients, coded), nullSender(n.header)
	sure := d.Original != nil || n.says(made)
	switch from {
	case official:
		return n.titled() && (sure || known || null) || null && sure && n.says(phrases)
	case automatic:
		return (n.titled() || n.says(phrases)) && d.Original != nil && !answers(n.header)
	}
	return known || n.titled() || n.listed() || n.says(phrases) || n.says(delays)
}

// answers reports whether a mail answers another, as vacation replies do (RFC 3834 §3.1.5) and bounces of this kind do not, or passes it on.
func answers(header []byte) bool {
	_, is := mailheader.Find(header, "in-reply-to")
	return is || answering.MatchString(strings.ToLower(subject(header)))
}

// misplaced reads a status for machines that is not where RFC 3464 wants it: in a mail of parts that is no report, or in the text.
func misplaced(text string, leaves []leaf) *Delivery {
	if status := find(leaves, statusTypes...); status != nil {
		if d, err := readStatus(status, leaves); err == nil {
			return d
		}
	}
	at := statusAt(text)
	if at < 0 {
		return nil
	}
	d, err := parseStatus([]byte(text[at:]))
	if err != nil {
		return nil
	}
	d.Odd, d.Original = true, original(leaves)
	d.complete(text[:at])
	return d
}

// statusAt returns where the fields of RFC 3464 begin in a text; -1: it has none.
func statusAt(text string) int {
	at, begin, within := 0, -1, false
	for line := range strings.Lines(text) {
		name, _, is := strings.Cut(strings.ToLower(line), ":")
		switch {
		case is && name == "reporting-mta":
			begin, within = at, true
		case is && (name == "final-recipient" || name == "original-recipient"):
			if within {
				return begin
			}
			return at
		}
		at += len(line)
	}
	return -1
}

func coded(r Recipient) bool { return r.Code >= 400 || r.Status != "" }

// nested reads a report that a part returns as a mail of its own, as gateways wrap those of the servers behind them.
func nested(l *leaf) *Delivery {
	mail, err := l.read(maxText)
	if err != nil {
		return nil
	}
	n, _ := mailheader.Length(mail, 0)
	w := walker{mail: bytes.NewReader(mail), size: int64(len(mail))}
	leaves := w.leaves(parsePart(mail[:n]), int64(n))
	status := find(leaves, statusTypes...)
	if status == nil {
		return nil
	}
	d, err := readStatus(status, leaves)
	if err != nil {
		return nil
	}
	return d
}

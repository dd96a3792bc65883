package report

import (
	"bytes"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// Bounces that are older than RFC 3464, or by programs that do not know it, are text for people. They are recognised
// when all of this holds: the sender is a program, the mail came over no list, the text names addresses that it could
// not be delivered to, and something shows that this is what the text is about. For a program of which nothing else
// comes, that is one of the usual phrases, or a reply code as a reason. Behind the address of a postmaster are people
// too: there the phrase must be in the subject, and a reason with a code, or the mail, must come with it. What has but
// a null return path may be any automatic reply: there, all of these must come together.

// bounce reads a mail as a bounce of this kind; nil when it is none.
func bounce(header []byte, from origin, null bool, leaves []leaf) *Delivery {
	n := notice{header: header, from: from, null: null, text: noticeText(leaves)}
	if from == daemon || n.titled() || null && n.says(phrases) && !n.answers() {
		if d := misplaced(n.text, leaves); d != nil {
			return d
		}
	}
	d := n.read()
	if attached := original(leaves); attached != nil {
		d.Original = attached
	}
	if len(d.Recipients) == 0 && (from == daemon || null) && n.titled() {
		d.Recipients = n.ofCopy(leaves, d.Original)
	}
	if len(d.Recipients) == 0 || !n.convincing(d) {
		return nil
	}
	return d
}

// convincing reports whether a text that names recipients is a bounce.
func (n *notice) convincing(d *Delivery) bool {
	known := slices.ContainsFunc(d.Recipients, coded)
	sure := d.Original != nil || n.says(made)
	switch n.from {
	case official:
		return n.titled() && (sure || known || n.null) || n.null && sure && n.says(phrases)
	case automatic:
		return (n.titled() || n.says(phrases)) && d.Original != nil && !n.answers()
	}
	return known || n.titled() || n.listed() || n.says(phrases) || n.says(delays)
}

// misplaced reads a status for machines that is not where RFC 3464 wants it: in a mail of parts that is no report, or
// in the text.
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
	d.Odd = true
	if d.Original = original(leaves); d.Original == nil {
		_, copied := cutReturned(text[at:])
		d.Original = parseOriginal([]byte(copied))
	}
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

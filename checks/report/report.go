package report

import (
	"io"
	"strings"
)

// Kind says what a mail reports.
type Kind uint8

// The kinds of reports.
const (
	None   Kind = iota // not a report
	DSN                // a delivery status notification, often a bounce (RFC 3464)
	MDN                // a disposition notification: read, deleted (RFC 8098)
	ARF                // a complaint of a recipient, or a report on one failure of DMARC (RFC 5965, RFC 6591)
	DMARC              // an aggregate report on DMARC (RFC 7489 §7.2, RFC 9990)
	TLSRPT             // a report on TLS (RFC 8460)
)

// String returns the name of the kind as in "dsn"; "" for None.
func (k Kind) String() string {
	switch k {
	case DSN:
		return "dsn"
	case MDN:
		return "mdn"
	case ARF:
		return "arf"
	case DMARC:
		return "dmarc"
	case TLSRPT:
		return "tlsrpt"
	}
	return ""
}

// MarshalText implements encoding.TextMarshaler: JSON shows the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Limits of what is looked at.
const (
	maxScan   = 4 << 20   // bytes of a mail in which parts may begin
	maxHeader = 32 << 10  // bytes of a part's header
	maxParts  = 100       // in all
	maxDepth  = 8         // parts within parts
	maxOpened = 8         // attachments whose content is looked at
	maxPacked = 1 << 20   // encoded bytes that are read of each
	maxSeen   = 256 << 10 // decoded and unpacked bytes that are looked at of each
)

// Recognise tells what kind of report a mail is. mail has size bytes and begins with header, which includes the empty
// line at its end. Both are read during the call only. It reads a few MiB at most and allocates some tens of KiB, or
// about one MiB for what a program sent and may be a bounce of the old kind; when mail cannot be read, what has been
// seen so far decides.
func Recognise(header []byte, mail io.ReaderAt, size int64) Kind {
	kind, _ := examine(header, mail, size)
	return kind
}

// examine tells what kind of report a mail is, and returns the report if that is known only once it has been read.
func examine(header []byte, mail io.ReaderAt, size int64) (Kind, *Report) {
	w := walker{mail: mail, size: size}
	top := parsePart(header)
	w.named = looksLikeSubject(subject(header))
	kind := None
	if top.multipart() {
		kind = w.walk(top, int64(len(header)))
	} else {
		kind = w.look(top, int64(len(header)))
	}
	if kind != None {
		return kind, nil
	}
	if r := w.readOdd(header, top); r != nil {
		return r.Kind, r
	}
	return None, nil
}

// readOdd reads a report of a kind that no type of a part tells; nil when there is none.
func (w *walker) readOdd(header []byte, top part) *Report {
	from, null := sender(header)
	if from == someone {
		return nil
	}
	again := walker{mail: w.mail, size: min(w.size, int64(len(header))+maxScan)}
	leaves := again.leaves(top, int64(len(header)))
	switch from {
	case notifier:
		return notified(leaves)
	case complainer:
		return junked(header, leaves)
	}
	if d := bounce(header, from, null, leaves); d != nil {
		return &Report{Kind: DSN, Delivery: d}
	}
	return nil
}

// looksLikeSubject reports whether a subject is that of an aggregate report (RFC 7489 §7.2.1.1, RFC 9990).
func looksLikeSubject(s string) bool {
	s = strings.ToLower(s)
	return strings.Contains(s, "report domain:") && strings.Contains(s, "submitter:")
}

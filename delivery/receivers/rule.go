package receivers

import (
	"bytes"
	"fmt"

	"github.com/sluicemail/sluice/internal/reply"
	"github.com/sluicemail/sluice/queue"
)

// Rule says which class replies have. All of what it asks for has to hold; what it does not ask for is any.
type Rule struct {
	Group      string // the receivers it is about; "": all
	Class      queue.Class
	Source     string // URL of what it was learnt from
	Date       string // of Source, as 2026-02-15
	Confidence Confidence
	Examples   []Example

	File string
	Line int // on which it begins

	codes    []span
	statuses []statuses
	texts    [][][]byte // one of these; all parts of it, in their order
}

// Confidence says how it is known what a reply means.
type Confidence string

// The degrees of confidence.
const (
	Published Confidence = "published" // the receiver, or a standard, says so
	Seen      Confidence = "seen"      // by the words of real replies
	Choice    Confidence = "choice"    // ours: nobody says so
)

// Example is a reply that a rule is about.
type Example struct {
	reply.Reply
	Line   int
	Sample bool // nobody was seen to send it: it is made of what the source says
}

// span is codes, or details of enhanced codes, both ends included.
type span struct{ from, to int }

func (s span) has(n int) bool { return s.from <= n && n <= s.to }

// statuses are enhanced codes. A class of zero is any.
type statuses struct {
	class, subject int
	detail         span
}

// maxDetail is beyond any detail: three digits.
const maxDetail = 999

func (s statuses) has(e enhanced) bool {
	return e.known && (s.class == 0 || s.class == e.class) && s.subject == e.subject && s.detail.has(e.detail)
}

// enhanced is an enhanced code (RFC 3463 §2).
type enhanced struct {
	class, subject, detail int
	known                  bool
}

func parseEnhanced(text string) enhanced {
	var parts [3]int
	i := 0
	for at := range len(text) {
		switch c := text[at]; {
		case c == '.' && i < 2:
			i++
		case c >= '0' && c <= '9' && parts[i] <= maxDetail:
			parts[i] = parts[i]*10 + int(c-'0')
		default:
			return enhanced{}
		}
	}
	return enhanced{parts[0], parts[1], parts[2], i == 2}
}

// said is a reply as rules look at it.
type said struct {
	group  string
	code   int
	status enhanced
	text   []byte // plain
}

// matches reports whether the rule is about a reply of one of its receivers.
func (r *Rule) matches(s *said) bool {
	if r.Group != "" && r.Group != s.group {
		return false
	}
	if len(r.codes) > 0 && !hasCode(r.codes, s.code) {
		return false
	}
	if len(r.statuses) > 0 && !hasStatus(r.statuses, s.status) {
		return false
	}
	return len(r.texts) == 0 || hasText(r.texts, s.text)
}

func hasCode(codes []span, code int) bool {
	for _, c := range codes {
		if c.has(code) {
			return true
		}
	}
	return false
}

func hasStatus(all []statuses, e enhanced) bool {
	for _, s := range all {
		if s.has(e) {
			return true
		}
	}
	return false
}

// hasText reports whether the parts of one of the texts follow each other in a reply.
func hasText(texts [][][]byte, in []byte) bool {
texts:
	for _, parts := range texts {
		rest := in
		for _, p := range parts {
			i := bytes.Index(rest, p)
			if i < 0 {
				continue texts
			}
			rest = rest[i+len(p):]
		}
		return true
	}
	return false
}

// String returns where the rule stands, for people.
func (r *Rule) String() string { return fmt.Sprintf("%s:%d", r.File, r.Line) }

package sign

import (
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/mailsig"
)

// guarded are the fields that are signed once more than the mail has them, so that nobody can add another that a reader
// would see instead (RFC 6376 §8.15).
var guarded = [...]string{"From", "To", "Cc", "Subject", "Date", "Reply-To", "MIME-Version", "Content-Type",
	"Content-Transfer-Encoding"}

// signed are the other fields that are signed where the mail has them (RFC 6376 §5.4.1; RFC 8058 §4 for one-click
// unsubscribe).
var signed = [...]string{"Message-ID", "Sender", "In-Reply-To", "References", "Resent-From", "Resent-Date", "Resent-To",
	"Resent-Cc",
	"List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe", "List-Post", "List-Owner",
	"List-Archive",
	"Feedback-ID"}

const (
	// maxExtra is how many more fields one key may ask for; maxEach is how many of one name are signed, which keeps h=
	// short where a mail repeats a field without end.
	maxExtra = 100
	maxEach  = 20
)

// names returns what goes into h= for a mail: the usual fields, and extra ones guarded as well.
func names(m *mailsig.Message, extra []string) []string {
	list := make([]string, 0, 40)
	add := func(name string, more int) {
		for range min(m.Count(name)+more, maxEach) {
			list = append(list, name)
		}
	}
	for _, name := range guarded {
		add(name, 1)
	}
	for i, name := range extra {
		// never a DKIM-Signature: the one being made has that name too (RFC 6376 §3.5)
		if !has(guarded[:], name) && !has(extra[:i], name) && !strings.EqualFold(name, "DKIM-Signature") {
			add(name, 1)
		}
	}
	for _, name := range signed {
		if !has(extra, name) {
			add(name, 0)
		}
	}
	return list
}

// has reports whether a name is among others, in any case.
func has(names []string, name string) bool {
	return slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(other, name) })
}

// badName returns the first of the names that no field can have in h=, where a semicolon would end the list.
func badName(names []string) (string, bool) {
	for _, name := range names {
		if name == "" || len(name) > 200 {
			return name, true
		}
		for i := range len(name) {
			if c := name[i]; c <= ' ' || c >= 0x7f || c == ':' || c == ';' {
				return name, true
			}
		}
	}
	return "", false
}

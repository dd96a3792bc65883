package enqueue

import (
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/smtpin"
)

// Limits of a mail's header.
const (
	maxHeader   = 256 << 10 // bytes
	maxFields   = 10_000
	maxReceived = 100 // RFC 5321 §6.3
)

// headerFacts are what one pass over a header finds out.
type headerFacts struct {
	length   int               // with the empty line at its end
	headless bool              // the mail begins with text
	cuts     []mailheader.Span // what must not stay in the mail
	props    *properties       // from x-mq-* fields; nil when there were none

	tlsOptional bool // "TLS-Required: No"
	priority    int  // MT-Priority
}

// scrub is what to take out of a header.
type scrub struct {
	extract   bool    // x-mq-* fields
	obey      bool    // their values are read, and one that makes no sense refuses the mail
	raise     bool    // MT-Priority may have the mail go before others; else it is taken out
	private   bool    // fields that a mail has only until it is handed in: Bcc, Return-Path
	forbidden *Queues // that no override may name
}

// examine looks at the header of mail once. An error is the reply to it.
func examine(mail []byte, want scrub) (facts headerFacts, err error) {
	facts.headless = mailheader.Headless(mail)
	if facts.headless {
		return facts, nil
	}
	received, fields := 0, 0
	s := mailheader.NewScanner(mail)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		fields++
		switch {
		case f.Is("received"):
			received++
		case f.TLSOptional():
			facts.tlsOptional = true
		case f.Is("mt-priority"): // RFC 6758
			if n, ok := smtpin.ParsePriority(string(f.Value())); ok && (n <= 0 || want.raise) {
				facts.priority = n
			} else { // who sees it on the way would obey it
				facts.cuts = append(facts.cuts, f.Span())
			}
		case want.private && isPrivate(f):
			facts.cuts = append(facts.cuts, f.Span())
		case want.extract && f.HasPrefix(propertyPrefix):
			facts.cuts = append(facts.cuts, f.Span())
			if !want.obey {
				continue
			}
			if facts.props == nil {
				facts.props = &properties{forbidden: want.forbidden}
			}
			if err := facts.props.read(f); err != nil {
				return facts, err
			}
		}
	}
	facts.length, _ = mailheader.Length(mail, s.Offset())
	switch {
	case facts.length > maxHeader:
		return facts, headerTooLarge()
	case received > maxReceived:
		return facts, mailLoop()
	case fields > maxFields:
		return facts, tooManyFields()
	}
	return facts, facts.props.check()
}

func isPrivate(f mailheader.Field) bool {
	return f.Is("bcc") || f.Is("resent-bcc") || f.Is("return-path")
}

// edit applies the facts to mail, in whose first trace bytes our own fields stand, in its own memory where that is
// possible. It returns the mail and the length of its header.
func (h *headerFacts) edit(mail []byte, trace int) ([]byte, int) {
	if h.headless {
		mail = append(mail, "\r\n"...)
		copy(mail[trace+2:], mail[trace:])
		copy(mail[trace:], "\r\n")
		return mail, trace + 2
	}
	rest := mailheader.Cut(mail[trace:], h.cuts)
	cut := len(mail) - trace - len(rest)
	return mail[:len(mail)-cut], trace + h.length - cut
}

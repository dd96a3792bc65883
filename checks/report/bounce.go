package report

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// Bounces that are older than RFC 3464, or by programs that do not know it, are text for people. They are recognised when all of
// this holds: the sender is a program, subject or text say in one of the usual phrases that mail could not be delivered, and
// lines begin with the addresses that it could not be delivered to, with the reason on the same or the next lines.

// phrases in which programs say that mail was not delivered, in lower case.
var phrases = []string{
	"failure notice", "could not be delivered", "couldn't be delivered", "not be delivered", "undeliverable", "undelivered", "unable to deliver",
	"wasn't able to deliver", "was not able to deliver", "delivery failed", "delivery failure", "delivery has failed", "mail delivery", "returned mail",
	"returned to sender", "did not reach the following", "permanent fatal error", "had delivery errors", "delivery status notification",
	"non-delivery", "could not send message", "konnte nicht zugestellt werden", "unzustellbar", "n'a pas pu être", "no se pudo entregar",
}

// delays are phrases of those that go on trying.
var delays = []string{"still trying", "will keep trying", "will be retried", "could not send message for past", "not yet been delivered", "delivery is delayed"}

// returned begins the copy of the mail in a bounce.
var returned = regexp.MustCompile(`(?i)^\W*(below this line is a copy|this is a copy of (the|your) message|original message|` +
	`unsent message (below|follows)|the header of the original message|message header follows|your original message|message headers follow|` +
	`this is a copy of the headers)`)

// addressed is a line that begins with an address.
var addressed = regexp.MustCompile(`^\s*(?:[-*]\s+)?(?:(?i:rfc822|to|recipient|address):?\s*;?\s*)?<?([^\s<>()":;,]+@[^\s<>()":;,]+[^\s<>()":;,.])>?(?:\s*[:;,.-]*\s+(.*)|[:;,.]*(\s*))$`)

// mayBounce reports whether the header of a mail is one that a program sends.
func mayBounce(header []byte) bool {
	if _, ok := mailheader.Find(header, "x-failed-recipients"); ok {
		return true
	}
	f, ok := mailheader.Find(header, "from")
	if !ok {
		return false
	}
	from := strings.ToLower(fieldText(f))
	return slices.ContainsFunc([]string{"mailer-daemon", "mail-daemon", "postmaster@", "mdaemon", "mail delivery s", "mailerdaemon"},
		func(s string) bool { return strings.Contains(from, s) })
}

// isBounce reports whether a mail, or the first text of one, is a bounce of this kind.
func isBounce(header []byte, r io.Reader) bool {
	if !mayBounce(header) {
		return false
	}
	text, _ := io.ReadAll(io.LimitReader(r, maxText))
	return len(bounced(header, string(text)).Recipients) > 0
}

// readBounce reads a bounce that is no DSN.
func readBounce(header []byte, leaves []leaf) (*Delivery, error) {
	l := find(leaves, "text/plain")
	if l == nil {
		return nil, errors.New("it has neither a part of type message/delivery-status nor one of text")
	}
	d := bounced(header, string(l.text(maxText)))
	if len(d.Recipients) == 0 {
		return nil, errors.New("no recipient is found in its text")
	}
	if o := original(leaves); o != nil {
		d.Original = o
	}
	return d, nil
}

// bounced reads the text of a bounce; it has no recipients when the text is none.
func bounced(header []byte, text string) *Delivery {
	d := &Delivery{Odd: true}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text, copied := cutReturned(text)
	lower := strings.ToLower(subject(header) + "\n" + text)
	failed := failedRecipients(header)
	action := ActionFailed
	switch {
	case containsAny(lower, delays):
		action = ActionDelayed
	case len(failed) == 0 && !containsAny(lower, phrases):
		return d
	}
	for _, r := range explained(text) {
		if len(failed) > 0 && !slices.ContainsFunc(failed, func(a string) bool { return strings.EqualFold(a, r.Final) }) {
			continue
		}
		r.Action = action
		d.Recipients = append(d.Recipients, r)
	}
	for _, a := range failed {
		if !slices.ContainsFunc(d.Recipients, func(r Recipient) bool { return strings.EqualFold(a, r.Final) }) {
			d.Recipients = append(d.Recipients, Recipient{Final: a, Action: action})
		}
	}
	d.Original = parseOriginal([]byte(copied))
	return d
}

// cutReturned cuts the copy of the mail off the text of a bounce.
func cutReturned(text string) (before, copied string) {
	at := 0
	for line := range strings.Lines(text) {
		if returned.MatchString(line) {
			return text[:at], strings.TrimLeft(text[at+len(line):], "-= \t\r\n")
		}
		at += len(line)
	}
	return text, ""
}

// failedRecipients returns what Exim writes into X-Failed-Recipients.
func failedRecipients(header []byte) (all []string) {
	f, ok := mailheader.Find(header, "x-failed-recipients")
	if !ok {
		return nil
	}
	for a := range strings.SplitSeq(fieldText(f), ",") {
		if a = bare(a); strings.Contains(a, "@") {
			all = append(all, a)
		}
	}
	return all
}

// explained finds lines that begin with an address and the reasons behind them, which go to the next empty line. An address
// without anything that looks like a reason counts only when it stands alone on its line.
func explained(text string) (all []Recipient) {
	var reason []string
	finish := func() {
		if n := len(all); n > 0 {
			all[n-1].explain(strings.Join(reason, " "))
		}
		reason = nil
	}
	within := false
	for line := range strings.SplitSeq(text, "\n") {
		found := addressed.FindStringSubmatch(line)
		switch {
		case found != nil && (found[2] == "" || replyCode.MatchString(found[2]) || statusCode.MatchString(found[2])):
			finish()
			all = append(all, Recipient{Final: found[1]})
			within = true
			if found[2] != "" {
				reason = append(reason, found[2])
			}
		case strings.TrimSpace(line) == "":
			within = within && len(reason) == 0
		case within:
			reason = append(reason, strings.TrimSpace(line))
		}
		if len(all) > maxParts {
			break
		}
	}
	finish()
	return unique(all)
}

// explain fills in what a text says about a recipient.
func (r *Recipient) explain(text string) {
	text = strings.TrimSpace(text)
	if reason, ok := strings.CutPrefix(text, "(reason: "); ok { // sendmail
		text = strings.TrimSuffix(reason, ")")
	}
	r.Diagnostic, r.Code, r.Status = text, codeOf(text), statusCode.FindString(text)
	if r.Status == "" && r.Code >= 400 {
		r.Status = string("0123456789"[r.Code/100]) + ".0.0"
	}
}

// unique keeps of each address the entry that says most.
func unique(all []Recipient) []Recipient {
	var kept []Recipient
	for _, r := range all {
		i := slices.IndexFunc(kept, func(k Recipient) bool { return strings.EqualFold(k.Final, r.Final) })
		switch {
		case i < 0:
			kept = append(kept, r)
		case kept[i].Code == 0 && r.Code != 0 || kept[i].Diagnostic == "":
			kept[i] = r
		}
	}
	return kept
}

func containsAny(text string, phrases []string) bool {
	return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(text, p) })
}

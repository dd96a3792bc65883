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
// this holds: the sender is a program, the mail came over no list, lines begin with the addresses that it could not be
// delivered to, with the reason on the same or the next lines, and something shows that this is what the text is about. For a
// program of which nothing else comes, that is one of the usual phrases, or a reply code as a reason. Behind the address of a
// postmaster are people too: there the phrase must be in the subject, and a reason with a code, or the mail, must come with it.

// phrases in which programs say that mail was not delivered, in lower case.
var phrases = []string{
	"failure notice", "could not be delivered", "couldn't be delivered", "not be delivered", "undeliverable", "undelivered", "unable to deliver",
	"wasn't able to deliver", "was not able to deliver", "delivery failed", "delivery failure", "delivery has failed", "returned mail",
	"returned to sender", "did not reach the following", "permanent fatal error", "had delivery errors", "delivery status notification",
	"delivery to the following recipient", "non-delivery", "nondeliverable", "could not send message", "konnte nicht zugestellt werden", "unzustellbar",
	"n'a pas pu être", "non remis", "no se pudo entregar", "no se ha podido entregar", "mancata consegna", "não foi possível entregar",
	"niet worden bezorgd", "onbestelbaar", "nie można dostarczyć",
}

// subjects are phrases that say so in a subject alone: in a text people use them, too.
var subjects = []string{"mail delivery", "delivery notification", "delivery problem", "mail system error", "warning: message"}

// delays are phrases of those that go on trying.
var delays = []string{"still trying", "will keep trying", "will be retried", "could not send message for past", "not yet been delivered", "delivery is delayed"}

// returned begins the copy of the mail in a bounce.
var returned = regexp.MustCompile(`(?i)^\W*(below this line is a copy|this is a copy of (the|your) message|original message|` +
	`unsent message (below|follows)|the header of the original message|message header follows|your original message|message headers follow|` +
	`this is a copy of the headers)`)

// addressed is a line that begins with an address.
var addressed = regexp.MustCompile(`^\s*(?:[-*]\s+)?(?:(?i:rfc822|recipient|address):?\s*;?\s*)?<?([^\s<>()":;,]+@[^\s<>()":;,]+[^\s<>()":;,.])>?(?:\s*[:;,.-]*\s+(.*)|[:;,.]*(\s*))$`)

// origin is what kind of sender a header names.
type origin int

const (
	someone  origin = iota
	official        // an address of people and programs
	daemon          // a program that sends nothing but bounces
)

// sender tells who sent a mail. What came over a list was written by one of its members, whatever their name.
func sender(header []byte) origin {
	from := someone
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		switch {
		case f.Is("x-failed-recipients"):
			return daemon
		case f.Is("from") && from == someone:
			from = senderIn(strings.ToLower(fieldText(f)))
		case f.Is("list-id") || f.Is("list-post"):
			return someone
		}
	}
	return from
}

// senderIn tells who is meant by the value of From, in lower case.
func senderIn(from string) origin {
	name, address, angled := strings.Cut(from, "<")
	if !angled {
		address, name, _ = strings.Cut(from, "(")
	}
	local, _, _ := strings.Cut(strings.TrimSpace(address), "@")
	switch local = strings.Trim(local, `" >`); {
	case local == "mailer-daemon", local == "mail-daemon", local == "mailerdaemon", local == "mdaemon", strings.HasPrefix(local, "microsoftexchange"):
		return daemon
	case local == "postmaster", containsAny(name, []string{"mailer-daemon", "mail delivery s", "mdaemon"}):
		return official
	}
	return someone
}

// isBounce reports whether a mail with a text is a bounce of this kind. attached says that a mail comes with it.
func isBounce(header []byte, from origin, text io.Reader, attached bool) bool {
	if from == someone {
		return false
	}
	data, _ := io.ReadAll(io.LimitReader(text, maxText))
	d := bounced(header, string(data))
	if len(d.Recipients) == 0 {
		return false
	}
	known := slices.ContainsFunc(d.Recipients, coded)
	about := strings.ToLower(subject(header))
	titled := containsAny(about, phrases) || containsAny(about, subjects) || containsAny(about, delays)
	if from == official {
		return titled && (known || attached || d.Original != nil)
	}
	lower := strings.ToLower(readable(string(data)))
	_, listed := mailheader.Find(header, "x-failed-recipients")
	return titled || known || listed || containsAny(lower, phrases) || containsAny(lower, delays)
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

func coded(r Recipient) bool { return r.Code >= 400 || r.Status != "" }

// bounced reads the text of a bounce; it has no recipients when the text is none.
func bounced(header []byte, text string) *Delivery {
	d := &Delivery{Odd: true}
	text, copied := cutReturned(readable(strings.ReplaceAll(text, "\r\n", "\n")))
	action := ActionFailed
	if lower := strings.ToLower(subject(header) + "\n" + text); containsAny(lower, delays) {
		action = ActionDelayed
	}
	failed := failedRecipients(header)
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
	if slices.ContainsFunc(d.Recipients, coded) { // then one of which nothing is said is whom to ask for help
		d.Recipients = slices.DeleteFunc(d.Recipients, func(r Recipient) bool { return r.Diagnostic == "" && len(failed) == 0 })
	}
	if len(d.Recipients) == 1 && d.Recipients[0].Code == 0 {
		d.Recipients[0].replyIn(text)
	}
	d.Original = parseOriginal([]byte(copied))
	return d
}

// replyIn takes what is known of a recipient from the first line of a text that begins with a reply code: some put it into a
// paragraph of its own.
func (r *Recipient) replyIn(text string) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if at := replyCode.FindStringIndex(strings.TrimSpace(line)); at == nil || at[0] != 0 {
			continue
		}
		end := i + 1
		for end < len(lines) && strings.TrimSpace(lines[end]) != "" {
			end++
		}
		for j := i; j < end; j++ {
			lines[j] = strings.TrimSpace(lines[j])
		}
		r.explain(strings.Join(lines[i:end], " "))
		return
	}
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
// without anything that looks like a reason counts only when it stands alone on its line, and not when running text was wrapped
// before it.
func explained(text string) (all []Recipient) {
	var reason []string
	finish := func() {
		if n := len(all); n > 0 {
			all[n-1].explain(strings.Join(reason, " "))
		}
		reason = nil
	}
	within, apart := false, true // apart: no text runs on into the line
	for line := range strings.SplitSeq(text, "\n") {
		found := addressed.FindStringSubmatch(line)
		bare := strings.TrimSpace(line)
		switch {
		case found != nil && (found[2] == "" && (apart || line[0] == ' ' || line[0] == '\t' || line[0] == '<') || isReason(found[2])):
			finish()
			all = append(all, Recipient{Final: found[1]})
			within, apart = true, true
			if found[2] != "" {
				reason = append(reason, found[2])
			}
		case bare == "":
			within, apart = within && len(reason) == 0, true
		default:
			if within {
				reason = append(reason, bare)
			}
			apart = strings.HasSuffix(bare, ":")
		}
		if len(all) > maxParts {
			break
		}
	}
	finish()
	return unique(all)
}

// isReason reports whether what follows an address on its line tells what became of the mail: a code, or when, as Exchange does.
func isReason(text string) bool {
	return text != "" && (replyCode.MatchString(text) || statusIn(text) != "" || exchangeTime.MatchString(text))
}

// exchangeTime is what Exchange put behind an address.
var exchangeTime = regexp.MustCompile(`^on \S+ .*\d\d:\d\d`)

// explain fills in what a text says about a recipient.
func (r *Recipient) explain(text string) {
	text = strings.TrimSpace(text)
	if reason, ok := strings.CutPrefix(text, "(reason: "); ok { // sendmail
		text = strings.TrimSuffix(reason, ")")
	}
	r.Diagnostic, r.Code, r.Status = text, codeOf(text), statusIn(text)
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

package report

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// notice is the text of a bounce, being read. Three ways to find the recipients are tried, from the surest to the boldest: lines that begin with
// an address, sentences that name one, and, for programs that send nothing but bounces, any address that nothing speaks against.
type notice struct {
	header  []byte
	text    string // in front of the returned copy
	certain bool   // whoever sent it sends nothing but bounces
}

// read finds out what the text says; no recipients when that is nothing.
func (n *notice) read() *Delivery {
	d := &Delivery{Odd: true}
	var copied string
	n.text, copied = cutReturned(n.text)
	d.Original = parseOriginal([]byte(copied))
	for _, find := range []func(string) []Recipient{explained, spokenOf, beneath} {
		if d.Recipients = n.others(find(n.text)); len(d.Recipients) > 0 {
			break
		}
	}
	if len(d.Recipients) == 0 && n.certain && n.titled() {
		d.Recipients = n.mentioned()
	}
	failed := failedRecipients(n.header)
	d.Recipients = reconcile(d.Recipients, failed)
	if slices.ContainsFunc(d.Recipients, coded) { // then one of which nothing is said is whom to ask for help
		d.Recipients = slices.DeleteFunc(d.Recipients, func(r Recipient) bool { return r.Diagnostic == "" && len(failed) == 0 })
	}
	n.explainRest(d.Recipients)
	action := ActionFailed
	if n.says(delays) || containsAny(n.subject(), delays) {
		action = ActionDelayed
	}
	for i := range d.Recipients {
		d.Recipients[i].Action = action
	}
	return d
}

func (n *notice) subject() string { return strings.ToLower(subject(n.header)) }

// titled reports whether the subject is that of a bounce, and not of an answer to one.
func (n *notice) titled() bool {
	about := n.subject()
	if answering.MatchString(about) {
		return false
	}
	return containsAny(about, phrases) || containsAny(about, subjects) || containsAny(about, delays)
}

// says reports whether the text has one of some phrases, which may be broken into lines.
func (n *notice) says(some []string) bool {
	return containsAny(strings.ToLower(strings.Join(strings.Fields(n.text), " ")), some)
}

func (n *notice) listed() bool {
	_, is := mailheader.Find(n.header, "x-failed-recipients")
	return is
}

// explainRest looks for replies to those whose lines have none: some programs put them into a paragraph of their own.
func (n *notice) explainRest(all []Recipient) {
	if slices.ContainsFunc(all, func(r Recipient) bool { return r.Code != 0 }) {
		return
	}
	for i := range all {
		r := &all[i]
		reply := replyAbout(n.text, r.Final)
		if reply != "" {
			before := r.Status
			if r.explain(reply); r.Status == "" || vague(r.Status) && before != "" {
				r.Status = before
			}
		}
		if (r.Status == "" || vague(r.Status)) && len(all) == 1 {
			if found := statusIn(n.text); found != "" {
				r.Status = found
			}
		}
	}
}

// replyAbout returns the reply of a server that a text quotes: one that names an address if there is one, and the first otherwise.
func replyAbout(text, address string) string {
	lines := strings.Split(text, "\n")
	for _, fits := range []func(string) bool{
		func(line string) bool {
			return strings.HasPrefix(strings.TrimSpace(line), "<<<") && anyReply.MatchString(line)
		},
		func(line string) bool { return firmReply.MatchString(line) && strings.Contains(line, address) },
		firmReply.MatchString,
		anyReply.MatchString,
	} {
		if i := slices.IndexFunc(lines, fits); i >= 0 {
			return strings.Join(replyFrom(lines[i:]), " ")
		}
	}
	return ""
}

// replyFrom returns the lines of a reply, which ends with its paragraph or where a command follows in a transcript.
func replyFrom(lines []string) (reply []string) {
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || i > 0 && (strings.HasPrefix(line, ">>>") || strings.HasPrefix(line, "...")) || i == maxReply {
			break
		}
		reply = append(reply, line)
	}
	return reply
}

// maxReply is how many lines a reply may have.
const maxReply = 20

// header begins the header of a mail when two more fields follow.
var headerLine = regexp.MustCompile(`^(?i:received|return-path|message-id|delivered-to|x-[a-z-]+|from|to|date|subject|mime-version|content-type|dkim-signature|reply-to):`)

// cutReturned cuts the copy of the mail off the text of a bounce: where a line announces it, and else where the header of a mail begins.
func cutReturned(text string) (before, copied string) {
	at := 0
	for line := range strings.Lines(text) {
		if returned.MatchString(line) {
			return text[:at], strings.TrimLeft(text[at+len(line):], "-=#* \t\r\n")
		}
		if headerLine.MatchString(line) && beginsHeader(text[at:]) {
			return text[:at], text[at:]
		}
		at += len(line)
	}
	return text, ""
}

// beginsHeader reports whether a text begins with the header of a mail: three fields, with one among them that people do not quote.
func beginsHeader(text string) bool {
	fields, trace := 0, false
	for line := range strings.Lines(text) {
		lower := strings.ToLower(line)
		switch {
		case line[0] == ' ' || line[0] == '\t':
			if fields == 0 {
				return false
			}
			continue
		case !headerLine.MatchString(line) && !strings.Contains(lower, ": "), strings.TrimSpace(line) == "":
			return false
		}
		fields++
		trace = trace || strings.HasPrefix(lower, "received:") || strings.HasPrefix(lower, "message-id:") || strings.HasPrefix(lower, "return-path:")
		if fields >= 3 && trace {
			return true
		}
		if fields > 20 {
			return false
		}
	}
	return false
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

// reconcile keeps of the recipients that were found in the text those whom the header lists, and adds those it alone lists.
func reconcile(found []Recipient, failed []string) []Recipient {
	if len(failed) == 0 {
		return found
	}
	var all []Recipient
	for _, a := range failed {
		same := func(r Recipient) bool { return strings.EqualFold(a, r.Final) }
		switch i := slices.IndexFunc(found, same); {
		case slices.ContainsFunc(all, same):
		case i >= 0:
			all = append(all, found[i])
		default:
			all = append(all, Recipient{Final: a})
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
			apart = strings.HasSuffix(bare, ":") || strings.HasSuffix(bare, "--")
		}
		if len(all) > maxParts {
			break
		}
	}
	finish()
	return unique(all)
}

// isReason reports whether what follows an address on its line tells what became of the mail: a code, a trouble, or when, as Exchange does.
func isReason(text string) bool {
	return text != "" && (replyCode.MatchString(text) || statusIn(text) != "" || exchangeTime.MatchString(text) || containsAny(strings.ToLower(text), troubles))
}

// exchangeTime is what Exchange put behind an address.
var exchangeTime = regexp.MustCompile(`^on \S+ .*\d\d:\d\d`)

// spokenOf finds the sentences that name recipients. The first kind of sentence that a text has is the one it has for all of them.
func spokenOf(text string) (all []Recipient) {
	for _, sentence := range spoken {
		for _, found := range sentence.FindAllStringSubmatch(text, maxParts) {
			r := Recipient{Final: found[1]}
			r.explain(found[2])
			all = append(all, r)
		}
		if len(all) > 0 {
			return unique(all)
		}
	}
	return nil
}

// beneath finds addresses alone on the last line of a paragraph, beneath the reason.
func beneath(text string) (all []Recipient) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		lines := strings.Split(strings.TrimSpace(paragraph), "\n")
		last := len(lines) - 1
		found := addressed.FindStringSubmatch(lines[last])
		if found == nil || found[2] != "" || len(all) > maxParts {
			continue
		}
		r := Recipient{Final: found[1]}
		r.explain(strings.Join(lines[:last], " "))
		all = append(all, r)
	}
	return unique(all)
}

// others leaves out who is told and who helps, as long as somebody is left.
func (n *notice) others(all []Recipient) []Recipient {
	told := strings.ToLower(string(headerOf(n.header, "to")))
	rest := slices.DeleteFunc(slices.Clone(all), func(r Recipient) bool {
		local, _, _ := strings.Cut(strings.ToLower(r.Final), "@")
		return slices.Contains(helpers, local) || strings.Contains(told, strings.ToLower(r.Final))
	})
	if len(rest) == 0 {
		return all
	}
	return rest
}

// anyAddress is an address anywhere in a text.
var anyAddress = regexp.MustCompile(address)

// mentioned returns the addresses in the text that may be those of recipients: not the sender's, who is told, and nobody's who helps.
func (n *notice) mentioned() (all []Recipient) {
	told := strings.ToLower(string(headerOf(n.header, "to")) + " " + string(headerOf(n.header, "from")))
	for _, found := range anyAddress.FindAllString(n.text, maxParts) {
		local, domain, _ := strings.Cut(strings.ToLower(found), "@")
		if strings.Contains(domain, ".") && !slices.Contains(helpers, local) && !strings.Contains(told, strings.ToLower(found)) {
			all = append(all, Recipient{Final: found})
		}
	}
	return unique(all)
}

func headerOf(header []byte, name string) []byte {
	f, ok := mailheader.Find(header, name)
	if !ok {
		return nil
	}
	return f.Value()
}

// ofCopy returns whom the mail that came back was for.
func (n *notice) ofCopy(leaves []leaf, o *Original) []Recipient {
	if l := find(leaves, "message/rfc822"); l != nil {
		if d := nested(l); d != nil {
			return d.Recipients
		}
	}
	if o == nil {
		return nil
	}
	found := anyAddress.FindAllString(o.To, 2)
	if len(found) != 1 {
		return nil // which of them is not told
	}
	all := []Recipient{{Final: found[0], Action: ActionFailed}}
	n.explainRest(all)
	return all
}

// explain fills in what a text says about a recipient.
func (r *Recipient) explain(text string) {
	text = strings.TrimSpace(text)
	if reason, ok := strings.CutPrefix(text, "(reason: "); ok { // sendmail
		text = strings.TrimSuffix(reason, ")")
	}
	r.Diagnostic = text
	r.Code, r.Status = verdict(text)
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

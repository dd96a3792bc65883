package report

import (
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// notice is the text of a bounce, being read.
type notice struct {
	header []byte
	from   origin
	null   bool   // its return path is
	text   string // once it is read, what is in front of the returned copy
}

// read finds out what the text says; no recipients when that is nothing.
func (n *notice) read() *Delivery {
	d := &Delivery{Odd: true}
	var copied string
	n.text, copied = cutReturned(n.text)
	d.Original = parseOriginal([]byte(copied))
	failed := failedRecipients(n.header)
	d.Recipients = reconcile(n.recipients(), failed)
	// then one of which nothing is said is whom to ask for help
	if slices.ContainsFunc(d.Recipients, coded) && len(failed) == 0 {
		d.Recipients = slices.DeleteFunc(d.Recipients, func(r Recipient) bool { return r.Diagnostic == "" })
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

// recipients tries the ways in which a text may name recipients, from the surest to the boldest. The boldest is for
// programs that send nothing but bounces. Who is told and who helps count only where a line begins with them and nobody
// else is named.
func (n *notice) recipients() []Recipient {
	lines := explained(n.text)
	if likely := n.others(lines); len(likely) > 0 {
		return likely
	}
	var ways []func(string) []Recipient
	for _, sentence := range spoken {
		ways = append(ways, func(text string) []Recipient { return spokenOf(text, sentence) })
	}
	ways = append(ways, beneath)
	if n.from == daemon && n.titled() {
		ways = append(ways, mentioned)
	}
	for _, find := range ways {
		if likely := n.others(find(n.text)); len(likely) > 0 {
			return likely
		}
	}
	return lines
}

// others leaves out who is told and who helps.
func (n *notice) others(all []Recipient) []Recipient {
	told := strings.ToLower(string(valueOf(n.header, "to")) + " " + string(valueOf(n.header, "from")))
	return slices.DeleteFunc(slices.Clone(all), func(r Recipient) bool {
		address := strings.ToLower(r.Final)
		local, _, _ := strings.Cut(address, "@")
		helps := slices.ContainsFunc(helping, func(end string) bool { return strings.HasSuffix(local, end) })
		return helps || slices.Contains(helpers, local) || strings.Contains(told, address)
	})
}

func valueOf(header []byte, name string) []byte {
	f, ok := mailheader.Find(header, name)
	if !ok {
		return nil
	}
	return f.Value()
}

func (n *notice) subject() string { return strings.ToLower(subject(n.header)) }

// titled reports whether the subject is that of a bounce, and not of an answer to one.
func (n *notice) titled() bool {
	about := n.subject()
	return !answering.MatchString(about) &&
		(containsAny(about, phrases) || containsAny(about, subjects) || containsAny(about, delays))
}

// answers reports whether the mail answers another, as vacation replies do (RFC 3834 §3.1.5) and bounces of this kind
// do not, or passes it on.
func (n *notice) answers() bool {
	_, is := mailheader.Find(n.header, "in-reply-to")
	return is || answering.MatchString(n.subject())
}

// says reports whether the text has one of some phrases, which may be broken into lines.
func (n *notice) says(some []string) bool {
	return containsAny(strings.ToLower(joined(n.text)), some)
}

func (n *notice) listed() bool {
	_, is := mailheader.Find(n.header, "x-failed-recipients")
	return is
}

// explainRest looks for replies to those of whom none is known: some programs put them into a paragraph of its own.
func (n *notice) explainRest(all []Recipient) {
	if slices.ContainsFunc(all, func(r Recipient) bool { return r.Code != 0 }) {
		return
	}
	quoted := findReplies(n.text)
	for i := range all {
		r := &all[i]
		before := r.Status
		if reply := quoted.about(r.Final); reply != "" {
			r.explain(reply)
		}
		if len(all) == 1 && before == "" && (r.Status == "" || vague(r.Status)) {
			before = statusIn(n.text)
		}
		if before != "" && (r.Status == "" || vague(r.Status)) {
			r.Status = before
		}
	}
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

// reconcile keeps of the recipients that were found in the text the recipients whom the header lists, and adds those it
// alone lists.
func reconcile(found []Recipient, failed []string) []Recipient {
	if len(failed) == 0 {
		return found
	}
	var all []Recipient
	for _, a := range failed {
		if i := indexOf(found, a); i >= 0 {
			all = append(all, found[i])
		} else {
			all = append(all, Recipient{Final: a})
		}
	}
	return unique(all)
}

func containsAny(text string, phrases []string) bool {
	return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(text, p) })
}

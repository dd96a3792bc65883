package feedback

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/sluicemail/sluice/feedback/verp"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/lru"
)

// Policy says what reports lead to. It never changes: another one comes as another value. The zero Policy has nobody
// suppressed, and trusts no sender of complaints.
type Policy struct {
	Rules   []Rule
	Senders []string // domains whose complaints count, lower case
	// Hash is what the list gets of an address where a rule asks for that. Nil is for policies without such rules.
	Hash func(address string) string
}

// Rule has recipients suppressed.
type Rule struct {
	ID        int64
	Kind      string        // of reports: "bounce" (hard ones), "complaint" or "unsubscribe"
	Tag       string        // only of messages with this tag; "": of all
	Threshold int           // of how many mails it has to be reported; below 1 means 1
	Within    time.Duration // zero: 30 days
	For       time.Duration // how long the recipient gets no mail; zero: for good
	Hashed    bool          // the list gets the hash of the address
}

// rule is the kind of rules that a kind of reports is for; "": none.
func (k Kind) rule() string {
	switch k {
	case HardBounce:
		return "bounce"
	case Complaint:
		return "complaint"
	case Unsubscribe:
		return "unsubscribe"
	}
	return ""
}

// Acts reports whether rules can be about this kind.
func (k Kind) Acts() bool { return k.rule() != "" }

func (r *Rule) threshold() int { return max(r.Threshold, 1) }

func (r *Rule) within() time.Duration { return cmp.Or(r.Within, 30*24*time.Hour) }

// listed reports whether complaints of a domain count.
func (p *Policy) listed(domain string) bool {
	return slices.ContainsFunc(p.Senders, func(s string) bool { return under(domain, s) })
}

// tags returns those tags that rules ask for and a token has.
func (p *Policy) tags(t *verp.Token) (tags []string) {
	for i := range p.Rules {
		if tag := p.Rules[i].Tag; tag != "" && t.HasTag(tag) && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// wants reports whether there are rules for a kind of reports.
func (p *Policy) wants(k Kind) bool {
	kind := k.rule()
	return kind != "" && slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Kind == kind })
}

// Suppression is a recipient that is to get no more mail.
type Suppression struct {
	Value       string // the address in lower case, or its hash
	Hashed      bool
	Status      string
	Description string
	Expire      time.Time // zero: never
}

// judge returns the suppression that follows from a record that is proved and was counted; nil: none does, and the
// record says why.
func (p *Policy) judge(t *tally, r *Record) *Suppression {
	kind := r.Kind.rule()
	if kind == "" {
		return nil
	}
	r.Why = "no rule is for it"
	for i := range p.Rules {
		rule := &p.Rules[i]
		if rule.Kind != kind || rule.Tag != "" && !slices.Contains(r.Tags, rule.Tag) {
			continue
		}
		n := t.mails(r, rule)
		if n < rule.threshold() {
			r.Why = fmt.Sprintf("rule %d: %d of %d mails within %d days", rule.ID, n, rule.threshold(),
				rule.within()/(24*time.Hour))
			continue
		}
		return p.suppression(rule, r, n)
	}
	return nil
}

func (p *Policy) suppression(rule *Rule, r *Record, n int) *Suppression {
	s := &Suppression{Value: addr.FoldAddress(r.Recipient), Hashed: rule.Hashed, Status: "5.7.1"}
	if s.Hashed {
		s.Value = p.Hash(s.Value)
	}
	switch r.Kind {
	case HardBounce:
		s.Status, s.Description = cmp.Or(r.Status, "5.1.1"), "mail to this address came back"
	case Complaint:
		s.Description = "the recipient complained"
	default:
		s.Description = "the recipient wants no more mail"
	}
	if rule.For > 0 {
		s.Expire = r.Time.Add(rule.For)
	}
	s.Description += fmt.Sprintf(" (feedback rule %d, %s)", rule.ID, r.Time.UTC().Format(time.DateOnly))
	r.Why = fmt.Sprintf("rule %d", rule.ID)
	if n > 1 {
		r.Why += fmt.Sprintf(": %d mails", n)
	}
	return s
}

// tally counts of which mails something was reported, by recipient. It is not safe for concurrent use.
type tally struct {
	seed maphash.Seed
	by   lru.Cache[tallyKey, []mark]
}

type tallyKey struct {
	kind Kind
	who  uint64
}

// mark is a mail of which something was reported.
type mark struct {
	at   time.Time
	mail uint64
	tags []string // shared with the record
}

// Limits of a tally: recipients of which it knows something, those of which nothing was heard longest go first; and
// mails of each.
const (
	mostTallied = 200_000
	mostMarks   = 100
	longest     = 366 * 24 * time.Hour
)

func newTally() *tally {
	t := &tally{seed: maphash.MakeSeed()}
	t.by.Limit = mostTallied
	return t
}

func (t *tally) key(r *Record) tallyKey {
	return tallyKey{r.Kind, maphash.String(t.seed, addr.FoldAddress(r.Recipient))}
}

// count notes the mail of a record; false: it was noted before.
func (t *tally) count(r *Record) bool {
	key := t.key(r)
	marks, _ := t.by.Get(key, r.Time)
	// A message whose id is not known is told from others by its day, or counts with each report.
	m := mark{at: r.Time, mail: maphash.String(t.seed, cmp.Or(r.MessageID, r.Sent, r.ID)), tags: r.Tags}
	if slices.ContainsFunc(marks, func(o mark) bool { return o.mail == m.mail }) {
		return false
	}
	if len(marks) >= mostMarks {
		marks = marks[1:]
	}
	t.by.Put(key, append(slices.Clip(marks), m), 1, r.Time.Add(longest))
	return true
}

// mails returns how many mails a rule counts.
func (t *tally) mails(r *Record, rule *Rule) (n int) {
	marks, _ := t.by.Get(t.key(r), r.Time)
	for i := range marks {
		if marks[i].at.After(r.Time.Add(-rule.within())) && (rule.Tag == "" || slices.Contains(marks[i].tags, rule.Tag)) {
			n++
		}
	}
	return n
}

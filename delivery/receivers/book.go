package receivers

import (
	"path"
	"strings"

	"github.com/sluicemail/sluice/internal/grams"
	"github.com/sluicemail/sluice/queue"
)

// Book is what is known about receivers. It never changes and is safe for concurrent use. The zero Book knows nothing
// but what needs no reply.
type Book struct {
	rules  []Rule // the first one that matches counts
	groups []Group
	mx     map[string][]mxName // by what the names of hosts end with

	texts    grams.Index        // rules that ask for words
	statuses map[uint32][]int32 // those that ask for enhanced codes and no words, by subject and detail
	codes    map[int][]int32    // those that ask for codes alone
}

// Group is receivers that are one provider.
type Group struct {
	Name  string   // "gmail"
	Title string   // for people
	MX    []string // what the names of its hosts end with: "l.google.com", "mx*.web.de"

	file string
	line int
}

// Rules returns all rules, in the order in which they count.
func (b *Book) Rules() []Rule { return b.rules }

// Groups returns all groups.
func (b *Book) Groups() []Group { return b.groups }

// Class returns why an attempt failed; "" when it did not. mx is the name of the host that was asked, as the DNS has
// it; "": nobody was.
func (b *Book) Class(r *queue.Result, mx string) queue.Class {
	if r.Success() {
		return ""
	}
	if class := ofState(r); class != "" {
		return class
	}
	if rule := b.Rule(r.Code, r.Status, r.Description, b.Group(mx)); rule != nil {
		return rule.Class
	}
	return queue.ClassOther
}

// Rule returns the rule that decides about a reply of a group; nil when there is none. text is without codes, lines
// joined by blanks.
func (b *Book) Rule(code int, status, text, group string) *Rule {
	var room [maxText + 2]byte
	s := said{group: group, code: code, status: parseEnhanced(status), text: appendPlain(room[:0], text)}
	best := int32(len(b.rules))
	var missed [64]uint64 // bits: so that a text that names a rule again and again has it compared once
	consider := func(i int32) {
		seen := int(i/64) < len(missed) && missed[i/64]>>(i%64)&1 != 0
		switch {
		case i >= best || seen:
		case b.rules[i].matches(&s):
			best = i
		case int(i/64) < len(missed):
			missed[i/64] |= 1 << (i % 64)
		}
	}
	b.texts.Each(s.text, consider)
	if s.status.known {
		for _, detail := range [...]int{s.status.detail, anyDetail} {
			for _, i := range b.statuses[statusKey(s.status.subject, detail)] {
				consider(i)
			}
		}
	}
	for _, i := range b.codes[code] {
		consider(i)
	}
	if int(best) == len(b.rules) {
		return nil
	}
	return &b.rules[best]
}

// anyDetail is the key of rules for all details of a subject.
const anyDetail = 0xffff

func statusKey(subject, detail int) uint32 { return uint32(subject)<<16 | uint32(detail) }

// newBook files rules in their order.
func newBook(rules []Rule, groups []Group) *Book {
	b := &Book{rules: rules, groups: groups, mx: make(map[string][]mxName), statuses: make(map[uint32][]int32),
		codes: make(map[int][]int32)}
	counts := common(rules)
	for i := range rules {
		b.file(&rules[i], int32(i), counts)
	}
	b.texts.Finish()
	for i := range groups {
		for _, name := range groups[i].MX {
			m := parseMX(name, groups[i].Name)
			b.mx[m.under] = append(b.mx[m.under], m)
		}
	}
	return b
}

// common counts the grams of rules and of their examples, so that rules are filed under what few replies have.
func common(rules []Rule) map[grams.Gram]int {
	counts := make(map[grams.Gram]int)
	add := func(g grams.Gram) { counts[g]++ }
	for i := range rules {
		for _, branch := range rules[i].branches() {
			grams.Of(branch, add)
		}
		for _, e := range rules[i].Examples {
			grams.Of(grams.Branch{string(appendPlain(nil, e.Description))}, add)
		}
	}
	return counts
}

// file puts a rule where replies find it: under its words, or else its enhanced codes, or else its codes.
func (b *Book) file(r *Rule, at int32, counts map[grams.Gram]int) {
	if keys, _ := grams.Rarest(r.branches(), counts); keys != nil {
		b.texts.Add(keys, at)
		return
	}
	for _, s := range r.statuses {
		details := s.detail
		if details == (span{0, maxDetail}) {
			details = span{anyDetail, anyDetail}
		}
		for d := details.from; d <= details.to; d++ {
			key := statusKey(s.subject, d)
			b.statuses[key] = append(b.statuses[key], at)
		}
	}
	if len(r.statuses) > 0 {
		return
	}
	for _, c := range r.codes {
		for code := c.from; code <= c.to; code++ {
			b.codes[code] = append(b.codes[code], at)
		}
	}
}

// branches are the words of the rule that are long enough to be found by.
func (r *Rule) branches() []grams.Branch {
	all := make([]grams.Branch, len(r.texts))
	for i, parts := range r.texts {
		for _, p := range parts {
			if len(p) >= minLiteral {
				all[i] = append(all[i], string(p))
			}
		}
	}
	return all
}

// mxName is names of hosts of a group.
type mxName struct {
	under string // what they end with
	label string // what the label before that is like, with * for any characters; "": they are under, or end with it
	group string
}

// parseMX reads "l.google.com", which is that name and all under it, or "mx*.web.de", where a label has to be like
// that.
func parseMX(name, group string) mxName {
	if label, under, _ := strings.Cut(name, "."); strings.Contains(label, "*") {
		return mxName{under: under, label: label, group: group}
	}
	return mxName{under: name, group: group}
}

// Group returns the group of a host by its name, as the DNS has it; "" when it is of none. Domains of recipients say
// nothing: many have their mail at somebody else's hosts.
func (b *Book) Group(mx string) string {
	mx = strings.TrimSuffix(mx, ".")
	for under := mx; ; {
		for _, m := range b.mx[under] {
			before := strings.TrimSuffix(mx[:len(mx)-len(under)], ".")
			if m.label == "" || like(before[strings.LastIndexByte(before, '.')+1:], m.label) {
				return m.group
			}
		}
		_, rest, found := strings.Cut(under, ".")
		if !found {
			return ""
		}
		under = rest
	}
}

func like(label, pattern string) bool {
	ok, _ := path.Match(pattern, label)
	return ok
}

package spf

import (
	"context"
	"strings"
)

// The evaluation takes "/" for the start of a prefix length, "%" for a macro and a space for the end of a term wherever
// they are. In a name they may stand, too (§7.1), so records are given to it with all macros replaced, and these
// characters as others that no record can have.
var (
	disguise = strings.NewReplacer("/", "\x01", "%", "\x02", " ", "\x03")
	reveal   = strings.NewReplacer("\x01", "/", "\x02", "%", "\x03", " ")
)

// noName is a domain that no name is in: "ptr" with it costs a look-up and matches nothing.
const noName = "p.invalid"

// plainRecord returns a record of a domain, which checkRecord has approved, without macros. Modifiers that change
// nothing are left out.
func (a *asker) plainRecord(ctx context.Context, record, domain string) string {
	if isPlainRecord(record) {
		return record
	}
	terms := []string{"v=spf1"}
	for term := range strings.SplitSeq(record[len("v=spf1"):], " ") {
		name, spec, modifier := splitModifier(term)
		switch {
		case term == "" || modifier && name != "redirect":
			continue
		case modifier:
			term = "redirect=" + a.plainSpec(ctx, spec, domain)
		default:
			term = a.plainDirective(ctx, term, domain)
		}
		if a.names != nil && !a.counted { // asking for them counts as a term of its own (§4.6.4)
			terms, a.counted = append(terms, "?ptr:"+noName), true
		}
		terms = append(terms, term)
	}
	return strings.Join(terms, " ")
}

// isPlainRecord reports whether a record has no macros, and no slashes but those of prefix lengths, as most have.
func isPlainRecord(record string) bool {
	if strings.IndexByte(record, '%') >= 0 {
		return false
	}
	for {
		_, rest, found := strings.Cut(record, "/")
		if !found {
			return true
		}
		record = strings.TrimLeft(rest, "0123456789")
		if record != "" && record[0] != ' ' && record[0] != '/' {
			return false
		}
	}
}

// plainDirective returns a directive without macros.
func (a *asker) plainDirective(ctx context.Context, term, domain string) string {
	name, spec, named := strings.Cut(term, ":")
	mechanism := strings.ToLower(strings.TrimLeft(name, "+-?~"))
	if !named || mechanism == "ip4" || mechanism == "ip6" {
		return term
	}
	lengths := ""
	if mechanism == "a" || mechanism == "mx" {
		spec, lengths = cutLengths(spec)
	}
	return name + ":" + a.plainSpec(ctx, spec, domain) + lengths
}

// plainSpec returns the domain that a domain-spec comes to, disguised. The names of the client are asked for when a
// macro wants one.
func (a *asker) plainSpec(ctx context.Context, spec, domain string) string {
	m := a.macros
	m.current = domain
	if strings.Contains(strings.ToLower(spec), "%{p") {
		if a.names == nil {
			a.names = a.namesOf(ctx)
		}
		m.validated = a.names.validated(domain)
	}
	return disguise.Replace(m.expand(spec))
}

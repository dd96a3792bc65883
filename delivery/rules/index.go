package rules

import (
	"net/netip"
	"slices"

	"github.com/sluicemail/sluice/internal/grams"
)

// index finds the rules that may concern a query, among many. Each rule is filed under one of the things that it asks
// for, the one that the fewest rules ask for, so that few are found that do not match after all. A rule is known by its
// place in the order of rules.
type index struct {
	domains    map[string][]int32
	tags       map[string][]int32
	pools      map[string][]int32
	sources    map[netip.Addr][]int32
	targets    map[netip.Addr][]int32
	envelopes  map[string][]int32 // in lower case, as recipients
	recipients map[string][]int32
	globs      grams.Index // of domains with wildcards
	texts      grams.Index // of patterns of replies
	always     []int32
}

// filing is what a rule asks for, as far as an index can use it.
type filing struct {
	*selector
	envelope, recipient string   // exact, in lower case; "": any
	literals            []branch // of the pattern of a reply; none: not known
}

// newIndex files rules in their order.
func newIndex(rules []filing) *index {
	x := new(index)
	var count tally
	for i := range rules {
		count.add(&rules[i])
	}
	for i := range rules {
		x.file(&rules[i], int32(i), &count)
	}
	x.globs.Finish()
	x.texts.Finish()
	return x
}

// tally counts how many rules ask for what.
type tally struct {
	domains, tags, pools, envelopes, recipients map[string]int
	addresses                                   map[address]int
	globs, texts                                map[grams.Gram]int
}

// address tells the address of a source from that of a target.
type address struct {
	netip.Addr
	target bool
}

func (t *tally) add(f *filing) {
	count(&t.domains, f.domain)
	count(&t.tags, f.tag)
	count(&t.pools, f.pool)
	count(&t.envelopes, f.envelope)
	count(&t.recipients, f.recipient)
	count(&t.addresses, address{f.source, false})
	count(&t.addresses, address{f.target, true})
	for _, b := range f.globLiterals() {
		grams.Of(b, func(g grams.Gram) { count(&t.globs, g) })
	}
	for _, b := range f.literals {
		grams.Of(b, func(g grams.Gram) { count(&t.texts, g) })
	}
}

func count[K comparable](m *map[K]int, key K) {
	if *m == nil {
		*m = make(map[K]int)
	}
	(*m)[key]++
}

// file puts a rule where the fewest others are.
func (x *index) file(f *filing, rule int32, t *tally) {
	best, put := int(^uint(0)>>1), func() { x.always = append(x.always, rule) }
	offer := func(n int, how func()) {
		if n < best {
			best, put = n, how
		}
	}
	text := func(s string, counts map[string]int, m *map[string][]int32) {
		if s != "" {
			offer(counts[s], func() { push(m, s, rule) })
		}
	}
	text(f.domain, t.domains, &x.domains)
	text(f.tag, t.tags, &x.tags)
	text(f.recipient, t.recipients, &x.recipients)
	text(f.envelope, t.envelopes, &x.envelopes)
	text(f.pool, t.pools, &x.pools)
	if f.source.IsValid() {
		offer(t.addresses[address{f.source, false}], func() { push(&x.sources, f.source, rule) })
	}
	if f.target.IsValid() {
		offer(t.addresses[address{f.target, true}], func() { push(&x.targets, f.target, rule) })
	}
	if keys, n := grams.Rarest(f.globLiterals(), t.globs); keys != nil {
		offer(n, func() { x.globs.Add(keys, rule) })
	}
	if keys, n := grams.Rarest(f.literals, t.texts); keys != nil {
		offer(n, func() { x.texts.Add(keys, rule) })
	}
	put()
}

// globLiterals are the texts without wildcards in a domain with them.
func (f *filing) globLiterals() []branch {
	if f.glob == nil {
		return nil
	}
	return wildcardLiterals(f.globOf)
}

func push[K comparable](m *map[K][]int32, key K, rule int32) {
	if *m == nil {
		*m = make(map[K][]int32)
	}
	(*m)[key] = append((*m)[key], rule)
}

// candidates appends the rules that may match a query to dst, in order. Whether they do remains to be seen.
func (x *index) candidates(dst []int32, q *query, domain, envelope, recipient string) []int32 {
	dst = append(dst, x.always...)
	if len(x.domains) > 0 {
		dst = append(dst, x.domains[domain]...)
	}
	if len(x.tags) > 0 {
		for _, t := range q.tags {
			dst = append(dst, x.tags[t]...)
		}
	}
	if len(x.pools) > 0 {
		for _, p := range q.pools {
			dst = append(dst, x.pools[p]...)
		}
	}
	if len(x.sources) > 0 {
		for _, a := range q.sources {
			dst = append(dst, x.sources[a]...)
		}
	}
	if len(x.targets) > 0 && q.target.IsValid() {
		dst = append(dst, x.targets[q.target]...)
	}
	if len(x.envelopes) > 0 {
		dst = append(dst, x.envelopes[envelope]...)
	}
	if len(x.recipients) > 0 {
		dst = append(dst, x.recipients[recipient]...)
	}
	found := func(rule int32) { dst = append(dst, rule) }
	if x.globs.Any() {
		var room [256]byte
		x.globs.Each(appendCanonical(room[:0], domain), found)
	}
	if x.texts.Any() {
		x.texts.Each(q.text, found)
	}
	if len(dst) > len(x.always) {
		slices.Sort(dst)
		dst = slices.Compact(dst)
	}
	return dst
}

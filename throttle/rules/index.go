package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/pattern"
	"github.com/sluicemail/sluice/throttle"
)

// index finds what concerns a path among many patterns. What a pattern stands for is a number; the lower one wins
// between patterns that match equally well.
type index struct {
	exact    map[string][]entry
	suffixes map[string][]entry // by what follows the * of "*.example.com"
	lengths  []int              // of the suffixes
	globs    []glob
	sources  map[netip.Addr][]entry // without a domain
	pools    map[string][]entry     // without a domain and a source
	all      []int32
}

// entry is a pattern without its domain.
type entry struct {
	what   int32
	source netip.Addr
	pool   string
}

// glob is the domain of a pattern with wildcards that is not a suffix.
type glob struct {
	domain *pattern.Pattern
	entry
}

// The classes of patterns, the most specific one first.
const (
	sourceAndDomain = iota
	domainOnly
	sourceOnly
	neither
	classes
)

func (e *entry) matches(source netip.Addr, pool string) bool {
	return (!e.source.IsValid() || e.source == source) && (e.pool == "" || e.pool == pool)
}

func (e *entry) restricted() bool { return e.source.IsValid() || e.pool != "" }

// clean returns an address as paths have it.
func clean(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// add makes the index find what under p. Equal patterns of the same thing are found once.
func (x *index) add(p Pattern, what int32) error {
	e := entry{what: what, pool: strings.ToLower(p.Pool)}
	if p.Source.IsValid() {
		e.source = clean(p.Source)
	}
	domain := strings.TrimSuffix(strings.ToLower(p.Domain), ".")
	switch {
	case domain != "" && domain != "*":
		return x.addDomain(domain, e)
	case e.source.IsValid():
		put(&x.sources, e.source, e)
	case e.pool != "":
		put(&x.pools, e.pool, e)
	default:
		x.all = append(x.all, what)
	}
	return nil
}

func (x *index) addDomain(domain string, e entry) error {
	if !strings.ContainsAny(domain, `*?[\`) {
		put(&x.exact, domain, e)
		return nil
	}
	g, err := pattern.Compile(pattern.Wildcard, domain, true)
	if err != nil {
		return fmt.Errorf("domain: %w", err)
	}
	if suffix, ok := g.Suffix(); ok {
		put(&x.suffixes, suffix, e)
		if !slices.Contains(x.lengths, len(suffix)) {
			x.lengths = append(x.lengths, len(suffix))
		}
		return nil
	}
	x.globs = append(x.globs, glob{g, e})
	return nil
}

func put[K comparable](m *map[K][]entry, key K, e entry) {
	if *m == nil {
		*m = make(map[K][]entry)
	}
	(*m)[key] = append((*m)[key], e)
}

// names reports whether any pattern concerns a domain by its name.
func (x *index) names(domain string) bool {
	found := false
	x.domain(domain, func(*entry) { found = true })
	return found
}

// domain calls f for each pattern that names the domain.
func (x *index) domain(domain string, f func(*entry)) {
	each(x.exact[domain], f)
	for _, n := range x.lengths {
		if n <= len(domain) {
			each(x.suffixes[domain[len(domain)-n:]], f)
		}
	}
	for i := range x.globs {
		if x.globs[i].domain.Match(domain) {
			f(&x.globs[i].entry)
		}
	}
}

func each(entries []entry, f func(*entry)) {
	for i := range entries {
		f(&entries[i])
	}
}

// found is what concerns a path, by class, the winner of each first.
type found [classes][]int32

// find returns what concerns a path whose site has more domains.
func (x *index) find(path throttle.Path, domains []string, pool string) (f found) {
	source := clean(path.Source)
	add := func(e *entry) {
		switch {
		case !e.matches(source, pool):
		case e.restricted():
			f[sourceAndDomain] = append(f[sourceAndDomain], e.what)
		default:
			f[domainOnly] = append(f[domainOnly], e.what)
		}
	}
	x.domain(path.Site, add)
	for _, d := range domains {
		x.domain(d, add)
	}
	bySource := func(e *entry) {
		if e.matches(source, pool) {
			f[sourceOnly] = append(f[sourceOnly], e.what)
		}
	}
	each(x.sources[source], bySource)
	if pool != "" {
		each(x.pools[pool], bySource)
	}
	for class := range sourceOnly + 1 {
		slices.Sort(f[class])
		f[class] = slices.Compact(f[class])
	}
	f[neither] = x.all
	return f
}

// covers reports whether anything concerns a path.
func (x *index) covers(path throttle.Path, domains []string, pool string) bool {
	if len(x.all) > 0 {
		return true
	}
	f := x.find(path, domains, pool)
	_, ok := f.first()
	return ok
}

// first returns the most specific thing; false: there is none.
func (f *found) first() (int32, bool) {
	for _, class := range f {
		if len(class) > 0 {
			return class[0], true
		}
	}
	return 0, false
}

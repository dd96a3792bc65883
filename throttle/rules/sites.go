package rules

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sluicemail/sluice/throttle"
)

const (
	// maxAliases bounds the domains that are known to belong to a site of another name. Beyond it others are forgotten,
	// domains that no rule names first.
	maxAliases = 1 << 18
	// maxAsked bounds the paths that are remembered to be told of new aliases. Beyond it all are told once.
	maxAsked = 1 << 17
)

// sites knows which domains make up a site, and who wants to know.
type sites struct {
	mu     sync.RWMutex
	siteOf map[string]string
	sites  map[string]*site
	asked  int // sum of all sources

	maxAliases, maxAsked int // zero: the constants
}

type site struct {
	domains map[string]struct{} // without the site's own name
	sources []netip.Addr        // of paths whose limits were asked for

	// named are the domains that rules of a set name.
	set   *Set
	named []string
}

// domains returns the domains of a path's site that a set names, and remembers that the path asked. With full there
// were too many that asked: all have to be told.
func (s *sites) domains(path throttle.Path, set *Set) (named []string, full bool) {
	named, asked := s.known(path.Site, set)
	if slices.Contains(asked, path.Source) {
		return named, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.site(path.Site)
	if !slices.Contains(at.sources, path.Source) {
		if s.asked >= cmp.Or(s.maxAsked, maxAsked) {
			s.forgetAsked()
			at, full = s.site(path.Site), true
		}
		at.sources = append(at.sources, path.Source)
		s.asked++
	}
	return at.find(set), full
}

// known returns the domains of a site that a set names, and the sources that asked.
func (s *sites) known(name string, set *Set) (named []string, asked []netip.Addr) {
	s.mu.RLock()
	at := s.sites[name]
	if at == nil {
		s.mu.RUnlock()
		return nil, nil
	}
	named, asked = at.named, at.sources
	fresh := at.set == set
	if len(at.domains) == 0 {
		named, fresh = nil, true
	}
	s.mu.RUnlock()
	if fresh {
		return named, asked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return at.find(set), at.sources
}

// find returns what a set names. s.mu is held for writing.
func (a *site) find(set *Set) []string {
	if a.set != set {
		a.set, a.named = set, nil
		for d := range a.domains {
			if set.concerns(d) {
				a.named = append(a.named, d)
			}
		}
	}
	return a.named
}

func (s *sites) site(name string) *site {
	if s.sites == nil {
		s.sites = make(map[string]*site)
	}
	at := s.sites[name]
	if at == nil {
		at = new(site)
		s.sites[name] = at
	}
	return at
}

func (s *sites) forgetAsked() {
	for name, at := range s.sites {
		at.sources = nil
		if len(at.domains) == 0 {
			delete(s.sites, name)
		}
	}
	s.asked = 0
}

// alias stores that a domain belongs to a site, and returns the paths that have other limits by that.
func (s *sites) alias(name, domain string, inForce *atomic.Pointer[Set]) (changed []throttle.Path) {
	s.mu.RLock()
	old, known := s.siteOf[domain]
	s.mu.RUnlock()
	if known && old == name || !known && name == domain {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.siteOf == nil {
		s.siteOf = make(map[string]string)
	}
	set := inForce.Load() // with the lock held: what find saw is not newer
	matters := set != nil && set.concerns(domain)
	if old, known = s.siteOf[domain]; known {
		changed = s.remove(old, domain, matters)
	}
	if name == domain {
		return changed
	}
	if len(s.siteOf) >= cmp.Or(s.maxAliases, maxAliases) {
		changed = append(changed, s.evict(set)...)
	}
	s.siteOf[domain] = name
	at := s.site(name)
	if at.domains == nil {
		at.domains = make(map[string]struct{})
	}
	if at.domains[domain] = struct{}{}; !matters {
		return changed
	}
	at.set = nil
	return append(changed, at.paths(name)...)
}

// remove forgets that a domain belongs to a site.
func (s *sites) remove(name, domain string, matters bool) []throttle.Path {
	delete(s.siteOf, domain)
	at := s.sites[name]
	delete(at.domains, domain)
	if !matters {
		return nil
	}
	at.set, at.named = nil, slices.DeleteFunc(slices.Clone(at.named), func(d string) bool { return d == domain })
	return at.paths(name)
}

// evict forgets a domain, of a few the first that no rule names.
func (s *sites) evict(set *Set) []throttle.Path {
	victim, tried := "", 0
	for victim = range s.siteOf {
		if tried++; tried >= 16 || set == nil || !set.concerns(victim) {
			break
		}
	}
	return s.remove(s.siteOf[victim], victim, set != nil && set.concerns(victim))
}

// paths are those whose limits were asked for.
func (a *site) paths(name string) []throttle.Path {
	paths := make([]throttle.Path, 0, len(a.sources))
	for _, source := range a.sources {
		paths = append(paths, throttle.Path{Source: source, Site: name})
	}
	return paths
}

package mx

import (
	"cmp"
	"container/list"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/delivery"
)

// site is a set of hosts and the name under which its domains share limits and connections.
type site struct {
	name    string
	hosts   string    // the key
	domains int       // that lead to it
	idle    time.Time // since when it has had no domain
	queued  bool      // it stands in the book's list
}

// siteBook knows the sites. No two of them have the same name. A site without domains is kept for a while, so that its
// name does not change while mail still waits for it.
type siteBook struct {
	limit int // of sites without domains

	mu      sync.Mutex
	byHosts map[string]*site
	byName  map[string]*site
	idle    *list.List // of *site: those that lost their last domain, roughly oldest first; some may have got one again
}

func (b *siteBook) init(limit int) {
	b.limit = limit
	b.byHosts = make(map[string]*site)
	b.byName = make(map[string]*site)
	b.idle = list.New()
}

// hostsKey returns what identifies a set of hosts.
func hostsKey(route *delivery.Route) string {
	names := make([]string, len(route.Hosts))
	for i, h := range route.Hosts {
		if names[i] = cmp.Or(h.Local, h.Name); h.Local == "" && h.Port != 0 {
			names[i] += ":" + strconv.Itoa(h.Port)
		}
	}
	slices.Sort(names)
	key := strings.Join(names, " ")
	if route.Relay {
		key = "relay " + key
	}
	return key
}

// assign counts a domain to the site of the route's hosts and writes the site's name into the route. name is what a new
// site is called; before is the site that the domain was counted to so far, nil for none.
func (b *siteBook) assign(name string, route *delivery.Route, before *site) *site {
	key := hostsKey(route)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(time.Now())
	s := b.byHosts[key]
	if s == nil {
		s = b.rename(name, key, before)
	}
	if s == nil {
		s = &site{name: b.freeName(name, cmp.Or(route.Hosts[0].Name, name)), hosts: key}
		b.byHosts[key], b.byName[s.name] = s, s
	}
	s.domains++
	route.Site = s.name
	return s
}

// rename gives the site that is called name new hosts, when it has no other domains: those of the domain have changed,
// or are told in parts, and it is still the same destination.
func (b *siteBook) rename(name, key string, before *site) *site {
	s := b.byName[name]
	if s == nil || s.domains > 1 || s.domains == 1 && s != before {
		return nil
	}
	delete(b.byHosts, s.hosts)
	s.hosts = key
	b.byHosts[key] = s
	return s
}

// freeName returns the first of the names that no site has: that of the domain, of its first host, or one made up.
func (b *siteBook) freeName(domain, host string) string {
	for i, name := 1, domain; ; i++ {
		if b.byName[name] == nil {
			return name
		}
		name = host
		if i > 1 {
			name = domain + "#" + strconv.Itoa(i)
		}
	}
}

// leave counts one domain less for each site; nil ones are skipped.
func (b *siteBook) leave(sites ...*site) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for _, s := range sites {
		if s == nil {
			continue
		}
		if s.domains--; s.domains == 0 {
			s.idle = now
			if !s.queued {
				s.queued = true
				b.idle.PushBack(s)
			}
		}
	}
	b.sweep(now)
}

// sweep forgets sites that have had no domain for a while, and the oldest ones when there are too many.
func (b *siteBook) sweep(now time.Time) {
	for b.idle.Len() > 0 {
		first := b.idle.Front()
		s := first.Value.(*site)
		old := now.Sub(s.idle) >= keepUnused
		if s.domains == 0 && !old && b.idle.Len() <= b.limit {
			return
		}
		b.idle.Remove(first)
		s.queued = false
		if s.domains == 0 {
			delete(b.byHosts, s.hosts)
			delete(b.byName, s.name)
		}
	}
}

func (b *siteBook) length() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.byName)
}

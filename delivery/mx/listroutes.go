package mx

import "sort"

// Route is one of Routes, for those who show them.
type Route struct {
	Pattern string // as in the file; "": all other domains
	Relay   Relay  // zero: by MX
}

// List returns all routes: those of domains, of their parents, wildcards in their order, and the one for all others.
func (r *Routes) List() []Route {
	if r == nil {
		return nil
	}
	var list []Route
	for domain, relay := range r.exact {
		list = append(list, Route{domain, relay})
	}
	for domain, relay := range r.parents {
		list = append(list, Route{"." + domain, relay})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Pattern < list[j].Pattern })
	for _, w := range r.wildcards {
		list = append(list, Route{w.pattern, w.relay})
	}
	if r.all != nil {
		list = append(list, Route{"", *r.all})
	}
	return list
}

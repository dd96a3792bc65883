package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
)

// maxHops bounds how many redirects one mail goes through. Mail that would need more leaves from where it was planned.
const maxHops = 64

// redirects are the redirects, by the address that mail is planned for. Those for an exact domain are found by it; the
// others are few, in the order in which they count.
type redirects struct {
	exact map[hop][]int32
	other map[netip.Addr][]int32 // wildcards, then those for all domains
	rules []redirect
}

// hop is an address that mail is planned for, and its domain.
type hop struct {
	from   netip.Addr
	domain string
}

type redirect struct {
	selector
	id     int64
	to     netip.Addr
	expire time.Time
	count  *atomic.Int64
	looped bool // left out
}

func (r *redirect) lasts(now time.Time) bool { return r.expire.IsZero() || now.Before(r.expire) }

func compileRedirect(r *Redirect) (compiled redirect, err error) {
	if compiled.source, err = needIP("localip", r.LocalIP); err != nil {
		return compiled, err
	}
	if err := compiled.setDomain("domain", r.Domain); err != nil {
		return compiled, err
	}
	if compiled.to, err = needIP("newip", r.NewIP); err != nil {
		return compiled, err
	}
	if compiled.to == compiled.source {
		return compiled, wrong("newip", " %s is localip itself: expected another address", compiled.to)
	}
	compiled.id, compiled.expire = r.ID, r.Expire
	return compiled, nil
}

func (c *compiler) redirects() {
	rows := slices.Clone(c.config.Redirects)
	slices.SortStableFunc(rows, func(a, b Redirect) int { return cmp.Compare(a.ID, b.ID) })
	x := &c.set.redirects
	seen := make(map[selection]*redirect, len(rows))
	x.rules = make([]redirect, 0, len(rows)) // never grows: seen points into it
	ids := make([]int64, 0, len(rows))
	for i := range rows {
		compiled, err := compileRedirect(&rows[i])
		if err == nil && c.over(compiled.expire) {
			continue
		}
		if first := seen[compiled.selection()]; err == nil && first != nil && longer(first.expire, compiled.expire) <= 0 {
			err = fmt.Errorf("row %d redirects the same mail and comes first: this one never counts", first.id)
		}
		if c.problem(tableDelegates, rows[i].ID, err) {
			continue
		}
		x.rules = append(x.rules, compiled)
		ids = append(ids, compiled.id)
		last := &x.rules[len(x.rules)-1]
		if first := seen[compiled.selection()]; first == nil || longer(first.expire, last.expire) > 0 {
			seen[compiled.selection()] = last
		}
	}
	counts := c.set.counters.adopt(ids)
	for i := range x.rules {
		x.rules[i].count = counts[x.rules[i].id]
	}
	x.file()
	c.breakLoops(x)
}

// file makes the redirects found. It leaves out redirects that loop.
func (x *redirects) file() {
	x.exact, x.other = nil, nil
	for i := range x.rules {
		switch r := &x.rules[i]; {
		case r.looped:
		case r.domain != "":
			push(&x.exact, hop{r.source, r.domain}, int32(i))
		default:
			push(&x.other, r.source, int32(i))
		}
	}
	for _, list := range x.other {
		slices.SortStableFunc(list, func(a, b int32) int {
			return cmp.Compare(x.rules[a].breadth(), x.rules[b].breadth())
		})
	}
}

func (r *redirect) breadth() int {
	if r.glob != nil {
		return 0
	}
	return 1
}

// next returns the redirect that counts for mail to a domain that is planned for an address; -1: none.
func (x *redirects) next(from netip.Addr, domain string, now time.Time) int32 {
	if len(x.exact) > 0 {
		for _, i := range x.exact[hop{from, domain}] {
			if x.rules[i].lasts(now) {
				return i
			}
		}
	}
	for _, i := range x.other[from] {
		if r := &x.rules[i]; r.lasts(now) && (r.glob == nil || r.glob.Match(domain)) {
			return i
		}
	}
	return -1
}

// follow returns where mail leaves from in the end, and appends the redirects on the way there to path. What leads back
// to an address that the mail was planned for before, as may happen when a redirect expires, goes nowhere.
func (x *redirects) follow(path []int32, from netip.Addr, domain string, now time.Time) (netip.Addr, []int32) {
	at := from
	for range maxHops {
		i := x.next(at, domain, now)
		if i < 0 {
			return at, path
		}
		path = append(path, i)
		at = x.rules[i].to
		if at == from {
			return from, path[:0]
		}
	}
	if x.next(at, domain, now) >= 0 {
		return from, path[:0]
	}
	return at, path
}

// Redirect implements delivery.Steering: it follows redirects one after another, the most specific one at each address,
// and counts for each of them.
func (s *Set) Redirect(source netip.Addr, domain string, now time.Time) (netip.Addr, bool) {
	x := &s.redirects
	if len(x.rules) == 0 || !source.IsValid() {
		return netip.Addr{}, false
	}
	var room [maxHops]int32
	to, path := x.follow(room[:0], clean(source), addr.Fold(domain), now)
	for _, i := range path {
		x.rules[i].count.Add(1)
	}
	if len(path) == 0 {
		return netip.Addr{}, false
	}
	return to, true
}

// Redirects returns the ids of the redirects that mail to a domain goes through when it is planned for an address, in
// their order, and where it leaves from in the end. It counts nothing, and is meant for explanations.
func (s *Set) Redirects(source netip.Addr, domain string, now time.Time) (to netip.Addr, ids []int64) {
	to, path := s.redirects.follow(nil, clean(source), addr.Fold(domain), now)
	for _, i := range path {
		ids = append(ids, s.redirects.rules[i].id)
	}
	return to, ids
}

// breakLoops leaves out the redirects that lead mail back to where it was planned to leave from, until there are none.
func (c *compiler) breakLoops(x *redirects) {
	for {
		found := false
		w := walk{x: x, now: c.config.Now}
		for _, domain := range x.samples() {
			for _, loop := range w.loops(domain) {
				found = true
				c.tellLoop(x, loop, domain)
			}
		}
		if !found {
			return
		}
		x.file()
	}
}

func (c *compiler) tellLoop(x *redirects, loop []int32, domain string) {
	var ids, way []string
	for _, i := range loop {
		ids = append(ids, fmt.Sprint(x.rules[i].id))
		way = append(way, x.rules[i].source.String())
	}
	way = append(way, x.rules[loop[0]].source.String())
	if domain == "" {
		domain = "all domains"
	}
	err := fmt.Errorf("rows %s are a loop for %s: %s; expected newip to lead elsewhere",
		strings.Join(ids, ", "), domain, strings.Join(way, " → "))
	for _, i := range loop {
		if r := &x.rules[i]; !r.looped {
			r.looped = true
			c.problem(tableDelegates, r.id, err)
		}
	}
}

// samples returns domains of each kind that the redirects tell apart: those named, one for each wildcard, and "" for
// all others.
func (x *redirects) samples() []string {
	seen := map[string]bool{"": true}
	list := []string{""}
	for i := range x.rules {
		r := &x.rules[i]
		domain := r.domain
		if r.glob != nil {
			domain = strings.NewReplacer("*", "x", "?", "x").Replace(r.globOf)
		}
		if !r.looped && !seen[domain] {
			seen[domain] = true
			list = append(list, domain)
		}
	}
	return list
}

// walk looks for loops.
type walk struct {
	x   *redirects
	now time.Time
	by  map[string][]netip.Addr // the addresses with redirects of their own for a domain
}

// starts returns the addresses from which a loop for a domain must pass.
func (w *walk) starts(domain string) []netip.Addr {
	if w.by == nil {
		w.by = make(map[string][]netip.Addr)
		for i := range w.x.rules {
			r := &w.x.rules[i]
			switch {
			case r.looped:
			case r.glob != nil:
				key := strings.NewReplacer("*", "x", "?", "x").Replace(r.globOf)
				w.by[key] = append(w.by[key], r.source)
			default:
				w.by[r.domain] = append(w.by[r.domain], r.source)
			}
		}
	}
	return w.by[domain]
}

// loops returns the loops that mail to a domain may get into.
func (w *walk) loops(domain string) (loops [][]int32) {
	visited := make(map[netip.Addr]int) // by which start
	for start, from := range w.starts(domain) {
		var path []int32
		at := from
		for {
			if by, seen := visited[at]; seen {
				if by == start+1 {
					loops = append(loops, loopOf(w.x, path, at))
				}
				break
			}
			visited[at] = start + 1
			i := w.x.next(at, domain, w.now)
			if i < 0 {
				break
			}
			path = append(path, i)
			at = w.x.rules[i].to
		}
	}
	return loops
}

// loopOf returns the part of a path that begins at the address it ended at.
func loopOf(x *redirects, path []int32, at netip.Addr) []int32 {
	i := slices.IndexFunc(path, func(i int32) bool { return x.rules[i].source == at })
	return path[i:]
}

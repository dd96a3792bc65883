package auth

import (
	"container/list"
	"net/netip"
	"slices"
	"time"
)

// maxPlaces is how many addresses are known for a name, so that somebody who has one account and many addresses does
// not push out what is known of others.
const maxPlaces = 16

// regulars is a bounded table of who was accepted lately, and from where.
type regulars struct {
	stay   time.Duration
	size   int                      // names
	byName map[string]*list.Element // of *regular
	recent list.List                // latest acceptance in front
}

type regular struct {
	name   string
	places []place // latest acceptance last
}

type place struct {
	address netip.Prefix
	last    time.Time // acceptance
}

// know reports whether a name was accepted from an address lately.
func (r *regulars) know(p pair, now time.Time) bool {
	element := r.byName[p.name]
	return element != nil && slices.ContainsFunc(element.Value.(*regular).places, func(known place) bool {
		return known.address == p.address && now.Sub(known.last) < r.stay
	})
}

// note notes an acceptance, and forgets the oldest.
func (r *regulars) note(p pair, now time.Time) {
	if p == (pair{}) {
		return
	}
	if r.byName == nil {
		r.byName = make(map[string]*list.Element)
	}
	element := r.byName[p.name]
	if element == nil {
		element = r.recent.PushFront(&regular{name: p.name})
		r.byName[p.name] = element
	}
	r.recent.MoveToFront(element)
	element.Value.(*regular).note(p.address, now)
	for oldest := r.recent.Back(); len(r.byName) > r.size ||
		now.Sub(oldest.Value.(*regular).latest()) >= r.stay; oldest = r.recent.Back() {
		delete(r.byName, oldest.Value.(*regular).name)
		r.recent.Remove(oldest)
	}
}

func (r *regular) note(address netip.Prefix, now time.Time) {
	r.places = slices.DeleteFunc(r.places, func(p place) bool { return p.address == address })
	if len(r.places) == maxPlaces {
		r.places = slices.Delete(r.places, 0, 1)
	}
	r.places = append(r.places, place{address, now})
}

func (r *regular) latest() time.Time { return r.places[len(r.places)-1].last }

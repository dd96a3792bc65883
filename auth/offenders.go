package auth

import (
	"container/list"
	"time"
)

// patience is how often somebody may fail, and what comes then.
type patience struct {
	free                  int
	first, longest, quiet time.Duration
}

// offenders is a bounded table of who has failed lately.
type offenders[K comparable] struct {
	patience patience
	size     int
	byKey    map[K]*list.Element // of *offender[K]
	recent   list.List           // latest rejection in front
}

type offender[K comparable] struct {
	key    K
	failed int       // rejections
	last   time.Time // the latest of them
	until  time.Time // refused until then
	trying bool      // after a refusal: a login is with the back end, others are refused
}

// probation is how long others are refused, again and again, while one login is tried after a refusal.
const probation = time.Second

// find returns who has failed lately, and nil for everybody else, who is dropped.
func (o *offenders[K]) find(key K, now time.Time) *offender[K] {
	element := o.byKey[key]
	if element == nil {
		return nil
	}
	found := element.Value.(*offender[K])
	if !found.trying && now.Sub(found.last) >= o.patience.quiet && now.Sub(found.until) >= o.patience.quiet {
		o.drop(element)
		return nil
	}
	return found
}

// refusedUntil returns until when logins are refused, and zero if they are not.
func (o *offenders[K]) refusedUntil(key K, now time.Time) time.Time {
	found := o.find(key, now)
	switch {
	case found == nil:
		return time.Time{}
	case now.Before(found.until):
		return found.until
	case found.trying:
		return now.Add(probation)
	}
	return time.Time{}
}

// try marks a login that is tried after a refusal.
func (o *offenders[K]) try(key K) {
	if element := o.byKey[key]; element != nil {
		found := element.Value.(*offender[K])
		found.trying = found.failed > o.patience.free
	}
}

// tried notes what became of a login.
func (o *offenders[K]) tried(key K, rejected bool, now time.Time) {
	found := o.find(key, now)
	if found != nil {
		found.trying = false
	}
	if !rejected {
		return
	}
	if found == nil {
		found = o.add(key)
	}
	found.failed++
	found.last = now
	if over := found.failed - o.patience.free; over > 0 {
		found.until = now.Add(o.patience.refusal(over))
	}
	o.recent.MoveToFront(o.byKey[key])
}

// refusal returns how long the nth refusal lasts.
func (p patience) refusal(n int) time.Duration {
	for d := p.first; ; d *= 2 {
		if n--; n == 0 || d >= p.longest {
			return min(d, p.longest)
		}
	}
}

func (o *offenders[K]) add(key K) *offender[K] {
	if o.byKey == nil {
		o.byKey = make(map[K]*list.Element)
	}
	for len(o.byKey) >= o.size {
		o.drop(o.recent.Back())
	}
	added := &offender[K]{key: key}
	o.byKey[key] = o.recent.PushFront(added)
	return added
}

func (o *offenders[K]) clear(key K) {
	if element := o.byKey[key]; element != nil {
		o.drop(element)
	}
}

func (o *offenders[K]) drop(element *list.Element) {
	delete(o.byKey, element.Value.(*offender[K]).key)
	o.recent.Remove(element)
}

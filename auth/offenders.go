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

// offenders is a bounded table of who has failed lately. The zero key is nobody. Where a table refuses, logins are
// asked for with refusedUntil, try and tried; where it makes them wait, with turn.
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
	until  time.Time // refused until then, or when the next login has its turn
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

// tried notes that a login which was tried has its answer.
func (o *offenders[K]) tried(key K) {
	if element := o.byKey[key]; element != nil {
		element.Value.(*offender[K]).trying = false
	}
}

// turn returns how long a login has to wait so that logins of a key come one after another, or refuses it when another
// waits already for longer than the longest pause.
func (o *offenders[K]) turn(key K, now time.Time) (wait time.Duration, err error) {
	found := o.find(key, now)
	if found == nil || found.failed <= o.patience.free {
		return 0, nil
	}
	at := later(found.until, now)
	if wait = at.Sub(now); wait > o.patience.longest {
		return 0, &Limited{Until: at}
	}
	found.until = at.Add(o.patience.after(found.failed))
	return wait, nil
}

// count counts a rejection.
func (o *offenders[K]) count(key K, now time.Time) {
	var nobody K
	if key == nobody {
		return
	}
	found := o.find(key, now)
	if found == nil {
		found = o.add(key)
	}
	found.failed++
	found.last = now
	if found.failed > o.patience.free {
		found.until = later(found.until, now.Add(o.patience.after(found.failed)))
	}
	o.recent.MoveToFront(o.byKey[key])
}

// after returns how long the refusal or pause after that many rejections lasts.
func (p patience) after(failed int) time.Duration {
	for d := p.first; ; d *= 2 {
		if failed--; failed <= p.free || d >= p.longest {
			return min(d, p.longest)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
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

// clearIf clears the counts of all keys of a kind.
func (o *offenders[K]) clearIf(is func(K) bool) {
	for key, element := range o.byKey {
		if is(key) {
			o.drop(element)
		}
	}
}

func (o *offenders[K]) drop(element *list.Element) {
	delete(o.byKey, element.Value.(*offender[K]).key)
	o.recent.Remove(element)
}

package redis

import (
	"strconv"
	"sync"
)

// account is what this instance has of the limits of one path or one target address.
type account struct {
	name   string // begins its keys
	prefix string // of the limits' names: "" or "ip_"
	refs   int    // guarded by the lock of the accounts

	mu    sync.Mutex
	used  int64 // connections
	lanes []*lane
}

// maxLanes bounds the lanes of one account: limits change, and paths may have different ones for one target.
const maxLanes = 16

// the lanes of an account, by the letter in their keys.
const (
	laneMessages = 'm'
	laneBytes    = 'b'
	laneConnects = 'c'
	laneSlots    = 's'
)

// lane returns the lane of a limit; a.mu is held. Those of a path go on when its limit changes; those of a target are
// apart for each limit, since paths may have different ones.
func (a *account) lane(letter byte, limit, now int64) *lane {
	kind, name := byte(kindCount), "maxmessages"
	switch letter {
	case laneBytes:
		kind, name = kindBytes, "maxbytes"
	case laneConnects:
		name = "maxconnects"
	case laneSlots:
		kind, name = kindSlots, "maxconnections"
	}
	key := a.name + ":" + string(rune(letter))
	if a.prefix != "" {
		key += ":" + strconv.FormatInt(limit, 10)
	}
	for _, l := range a.lanes {
		if l.key == key {
			if l.limit != limit {
				l.limit, l.later = limit, 0
			}
			return l
		}
	}
	if len(a.lanes) >= maxLanes {
		for i, l := range a.lanes {
			if l.rests(now) {
				a.lanes = append(a.lanes[:i], a.lanes[i+1:]...)
				break
			}
		}
	}
	l := &lane{account: a, kind: kind, name: a.prefix + name, limit: limit, key: key, want: 1}
	a.lanes = append(a.lanes, l)
	return l
}

func (a *account) rests(now int64) bool {
	if a.used > 0 {
		return false
	}
	for _, l := range a.lanes {
		if !l.rests(now) {
			return false
		}
	}
	return true
}

// accounts are found by name, and dropped by sweep when they rest.
type accounts struct {
	mu  sync.Mutex
	all map[string]*account
}

func (s *accounts) hold(name, prefix string) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.all[name]
	if a == nil {
		a = &account{name: name, prefix: prefix}
		s.all[name] = a
	}
	a.refs++
	return a
}

func (s *accounts) drop(a *account, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.refs--; a.refs == 0 {
		s.sweepOne(a, now)
	}
}

// sweepOne drops an account if it rests.
func (s *accounts) sweepOne(a *account, now int64) {
	a.mu.Lock()
	rests := a.rests(now)
	a.mu.Unlock()
	if rests {
		delete(s.all, a.name)
	}
}

func (s *accounts) sweep(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.all {
		if a.refs == 0 {
			s.sweepOne(a, now)
		}
	}
}

// each calls f for every lane, with its account locked.
func (s *accounts) each(f func(*lane)) {
	s.mu.Lock()
	all := make([]*account, 0, len(s.all))
	for _, a := range s.all {
		all = append(all, a)
	}
	s.mu.Unlock()
	for _, a := range all {
		a.mu.Lock()
		for _, l := range a.lanes {
			f(l)
		}
		a.mu.Unlock()
	}
}

package rules

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// maxFloods bounds the active floods; beyond it one that ends soon gives way to a new one.
const maxFloods = 1 << 17

// maxText bounds the answers that are kept.
const maxText = 200

// floods are the active ones. Lists of a path are replaced, never changed.
type floods struct {
	mu     sync.Mutex
	byPath map[throttle.Path][]*active
	count  atomic.Int64
	max    int64 // zero: maxFloods
	closed bool
}

// active is a flood on a path. It is guarded by floods.mu.
type active struct {
	path     throttle.Path
	flood    *flood
	phase    throttle.Phase
	since    time.Time
	pauseEnd time.Time
	end      time.Time // of what follows the pause
	text     string
	timer    *time.Timer
	gone     bool
}

func (f *floods) none() bool { return f.count.Load() == 0 }

// until is the end of the phase.
func (a *active) until() time.Time {
	if a.phase == throttle.Paused {
		return a.pauseEnd
	}
	return a.end
}

// hit tells that an answer matched a flood of a set, and reports whether the path has other limits by that.
func (l *Live) hit(set *Set, f *flood, path throttle.Path, text string) (changed bool) {
	s := &l.floods
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || l.set.Load() != set {
		return false
	}
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	now := time.Now()
	a := s.find(path, f.key)
	switch {
	case a == nil:
		l.makeRoom()
		a = &active{path: path, flood: f, since: now, text: text}
		a.begin(now)
		a.timer = time.AfterFunc(a.until().Sub(now), func() { l.next(a) })
		s.add(a)
		return true
	case a.phase == throttle.Paused:
		return false
	}
	a.text = text
	a.begin(now)
	a.timer.Reset(a.until().Sub(now))
	return a.phase == throttle.Paused
}

// begin starts the first phase.
func (a *active) begin(now time.Time) {
	a.phase = throttle.Reduced
	if a.flood.pause > 0 {
		a.phase = throttle.Paused
	}
	a.pauseEnd = now.Add(a.flood.pause)
	a.end = a.pauseEnd.Add(a.flood.duration)
}

// next is called when a phase is over.
func (l *Live) next(a *active) {
	now := time.Now()
	l.floods.mu.Lock()
	if a.gone || now.Before(a.until()) { // or it was prolonged meanwhile
		l.floods.mu.Unlock()
		return
	}
	l.floods.advance(a, now)
	l.floods.mu.Unlock()
	l.changed(a.path)
}

// advance ends a phase.
func (f *floods) advance(a *active, now time.Time) {
	if a.phase == throttle.Paused && a.end.After(now) {
		a.phase = throttle.Reduced
		a.timer.Reset(a.end.Sub(now))
		return
	}
	f.remove(a)
}

func (f *floods) find(path throttle.Path, key floodKey) *active {
	for _, a := range f.byPath[path] {
		if a.flood.key == key {
			return a
		}
	}
	return nil
}

func (f *floods) add(a *active) {
	if f.byPath == nil {
		f.byPath = make(map[throttle.Path][]*active)
	}
	old := f.byPath[a.path]
	f.byPath[a.path] = append(old[:len(old):len(old)], a)
	f.count.Add(1)
}

func (f *floods) remove(a *active) {
	a.gone = true
	a.timer.Stop()
	rest := slices.DeleteFunc(slices.Clone(f.byPath[a.path]), func(other *active) bool { return other == a })
	if len(rest) == 0 {
		delete(f.byPath, a.path)
	} else {
		f.byPath[a.path] = rest
	}
	f.count.Add(-1)
}

// makeRoom ends a flood when there are too many: of a few the one that would end first. floods.mu is held, so its path
// is told by a timer.
func (l *Live) makeRoom() {
	f := &l.floods
	if f.count.Load() < cmp.Or(f.max, maxFloods) {
		return
	}
	var first *active
	tried := 0
	for _, list := range f.byPath {
		for _, a := range list {
			if first == nil || a.end.Before(first.end) {
				first = a
			}
		}
		if tried++; tried == 16 {
			break
		}
	}
	f.remove(first)
	time.AfterFunc(0, func() { l.changed(first.path) })
}

// restrict returns the values of a path with its floods; nil: it has none.
func (f *floods) restrict(path throttle.Path, base *throttle.Limits) *throttle.Limits {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.byPath[path]
	if len(list) == 0 {
		return nil
	}
	m := merged{fields: throttle.Fields()}
	var pause *active
	for _, a := range list {
		m.restrict(&a.flood.setting, a.rule(), base)
		if a.phase == throttle.Paused && (pause == nil || a.pauseEnd.After(pause.pauseEnd)) {
			pause = a
		}
	}
	limits := m.limits(base)
	if pause != nil {
		limits.PausedUntil = pause.pauseEnd
		limits.Origin["pause"] = pause.rule()
	}
	return limits
}

// rule is the name of the flood as where a limit comes from.
func (a *active) rule() string { return "flood " + a.flood.key.name }

// adopt goes on with another set. What is not in it any more ends.
func (f *floods) adopt(set *Set) {
	byKey := make(map[floodKey]*flood, len(set.floods))
	for i := range set.floods {
		byKey[set.floods[i].key] = &set.floods[i]
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.all() {
		if a.flood = cmp.Or(byKey[a.flood.key], a.flood); byKey[a.flood.key] == nil {
			f.remove(a)
		}
	}
}

func (f *floods) all() []*active { return slices.Concat(slices.Collect(maps.Values(f.byPath))...) }

// stop stops all timers.
func (f *floods) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, a := range f.all() {
		a.gone = true
		a.timer.Stop()
	}
}

// Floods returns the active floods, the oldest first.
func (l *Live) Floods() []throttle.ActiveFlood { return l.floods.list(throttle.Path{}, true) }

// list returns the floods of a path, or all.
func (f *floods) list(path throttle.Path, all bool) []throttle.ActiveFlood {
	f.mu.Lock()
	active := f.byPath[path]
	if all {
		active = f.all()
	}
	list := make([]throttle.ActiveFlood, 0, len(active))
	for _, a := range active {
		list = append(list, throttle.ActiveFlood{Path: a.path, Name: a.flood.key.name, Phase: a.phase,
			Since: a.since, Until: a.until(), End: a.end, Text: a.text})
	}
	f.mu.Unlock()
	slices.SortFunc(list, func(a, b throttle.ActiveFlood) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Path.Site, b.Path.Site),
			a.Path.Source.Compare(b.Path.Source), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Resume ends the pauses of a flood on a path: its reduced values hold from now on. The zero Path means all paths, an
// empty name all floods. It returns how many pauses ended.
func (l *Live) Resume(path throttle.Path, name string) int {
	now := time.Now()
	return l.end(path, name, func(a *active) bool {
		if a.phase != throttle.Paused {
			return false
		}
		a.pauseEnd, a.end = now, now.Add(a.flood.duration)
		l.floods.advance(a, now)
		return true
	})
}

// Clear ends floods altogether; see Resume. It returns how many.
func (l *Live) Clear(path throttle.Path, name string) int {
	return l.end(path, name, func(a *active) bool {
		l.floods.remove(a)
		return true
	})
}

func (l *Live) end(path throttle.Path, name string, do func(*active) bool) (n int) {
	f := &l.floods
	f.mu.Lock()
	list := f.byPath[path]
	everywhere := path == throttle.Path{}
	if everywhere {
		list = f.all()
	}
	var changed []throttle.Path
	for _, a := range list {
		if (name == "" || name == a.flood.key.name) && do(a) {
			n++
			changed = append(changed, a.path)
		}
	}
	f.mu.Unlock()
	if everywhere && n > 0 {
		changed = []throttle.Path{{}}
	}
	for _, path := range slices.Compact(changed) {
		l.changed(path)
	}
	return n
}

package throttle

import (
	"sync"
	"sync/atomic"
)

// Listeners are the functions that were given to Changed: what implementations of Throttler share. The zero value is
// ready; methods are safe for concurrent use.
type Listeners struct {
	mu   sync.Mutex
	list atomic.Pointer[[]func(Path)]
}

// Add registers f.
func (l *Listeners) Add(f func(Path)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var old []func(Path)
	if list := l.list.Load(); list != nil {
		old = *list
	}
	all := append(old[:len(old):len(old)], f)
	l.list.Store(&all)
}

// Tell calls the functions for each path of a set, without a lock held; for all paths with the zero Path.
func (l *Listeners) Tell(who PathSet) {
	list := l.list.Load()
	if list == nil {
		return
	}
	if who.All {
		who.paths = []Path{{}}
	}
	for _, path := range who.paths {
		for _, f := range *list {
			f(path)
		}
	}
}

// maxPaths bounds the paths that are told one by one; beyond it all are told.
const maxPaths = 16

// PathSet is a set of paths that are to look again. The zero PathSet is empty.
type PathSet struct {
	All   bool // every path, also paths that were not added
	paths []Path
}

// Add adds a path. A set of more than a few becomes that of all paths.
func (s *PathSet) Add(path Path) {
	if s.All {
		return
	}
	for _, p := range s.paths {
		if p == path {
			return
		}
	}
	if len(s.paths) >= maxPaths {
		s.paths, s.All = nil, true
		return
	}
	s.paths = append(s.paths, path)
}

// Empty reports whether there is no path in the set.
func (s *PathSet) Empty() bool { return !s.All && len(s.paths) == 0 }

// Join adds the paths of another set.
func (s *PathSet) Join(other PathSet) {
	s.All = s.All || other.All
	for _, p := range other.paths {
		s.Add(p)
	}
	if s.All {
		s.paths = nil
	}
}

// Take returns the set and empties it.
func (s *PathSet) Take() PathSet {
	taken := *s
	*s = PathSet{}
	return taken
}

package delivery

import (
	"maps"
	"slices"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/locks"
	"github.com/sluicemail/sluice/throttle"
)

// paths has all paths by their keys, and by what the throttle calls them. Its methods may be called at once.
type paths struct {
	e          *core
	mu         locks.RWMutex[locks.Paths]
	byKey      map[pathKey]*path
	byThrottle map[throttle.Path][]*path
}

func (all *paths) init(e *core) {
	all.e = e
	all.byKey = make(map[pathKey]*path)
	all.byThrottle = make(map[throttle.Path][]*path)
}

// path returns the path for a key, made if needed.
func (all *paths) path(key *pathKey, route *Route) *path {
	all.mu.RLock()
	p := all.byKey[*key]
	all.mu.RUnlock()
	if p != nil {
		return p
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if p = all.byKey[*key]; p != nil {
		return p
	}
	p = newPath(all.e, *key, route)
	all.byKey[*key] = p
	all.byThrottle[key.Path] = append(all.byThrottle[key.Path], p)
	return p
}

// allPaths returns the paths that there are.
func (all *paths) allPaths() []*path {
	all.mu.RLock()
	defer all.mu.RUnlock()
	return slices.AppendSeq(make([]*path, 0, len(all.byKey)), maps.Values(all.byKey))
}

// forget drops a path unless it has something to do.
func (all *paths) forget(p *path) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if !p.retire() {
		return
	}
	key := p.id()
	delete(all.byKey, *key)
	list := slices.DeleteFunc(all.byThrottle[key.Path], func(q *path) bool { return q == p })
	if all.byThrottle[key.Path] = list; len(list) == 0 {
		delete(all.byThrottle, key.Path)
	}
}

// changed is told by the throttle that a wait may be over: on a path, or, with the zero value, on any.
func (all *paths) changed(tp throttle.Path) {
	if tp == (throttle.Path{}) {
		for _, p := range all.allPaths() {
			p.look()
		}
		return
	}
	all.mu.RLock()
	defer all.mu.RUnlock()
	for _, p := range all.byThrottle[tp] {
		p.look()
	}
}

// drain wakes every path so that its idle connections end and what it holds goes back.
func (e *Engine) drain() {
	for _, p := range e.allPaths() {
		p.drain()
	}
}

// reexamine goes through all that waits, as steering changed: what is paused now is parked, what is refused now fails
// or is put off, and what is to leave from another address changes its path. Idle connections to paused targets end.
func (e *Engine) reexamine() {
	e.routing.reexamine()
	for _, p := range e.allPaths() {
		if e.stopping() {
			return
		}
		p.reexamine()
		p.leaveParked()
		p.wakePausedTargets()
	}
}

// relieve parks messages when memory is short. It only orders that; one such order is out at a time, and after one that
// freed nothing there is none for a second.
func (e *Engine) relieve() {
	if !e.relieving.CompareAndSwap(false, true) {
		return
	}
	e.settler.Call(func() {
		if e.trim() == 0 {
			time.AfterFunc(time.Second, func() { e.relieving.Store(false) })
			return
		}
		e.relieving.Store(false)
	})
}

// trim parks what paths have beyond their share and then, until a quarter of the memory is free, all that waits on
// paths without a connection. It returns how many messages it parked.
func (e *Engine) trim() (parked int) {
	paths := e.allPaths()
	for _, p := range paths {
		parked += p.trim(false)
	}
	for _, p := range paths {
		if e.memory.spare() >= 0 {
			break
		}
		parked += p.trim(true)
	}
	return parked
}

// sweep looks after what no event would tell: every second whether memory is short and whether parked messages may be
// looked up; now and then over all paths. It goes through all that waits when the rules changed.
func (e *Engine) sweep() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-e.steered.changed():
			e.reexamine()
			n--
			continue
		case <-ticker.C:
		case <-e.untilStop().Done():
			return
		}
		if e.memory.short() {
			e.relieve()
		}
		e.routing.refill()
		if n%sweepEvery != 0 {
			continue
		}
		for _, p := range e.allPaths() {
			if p.sweep(time.Now()) {
				e.forget(p)
			}
		}
	}
}

// sweepEvery is how many seconds lie between two looks at all paths.
const sweepEvery = 15

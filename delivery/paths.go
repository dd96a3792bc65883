package delivery

import (
	"maps"
	"slices"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// path returns the path for a key, made if needed.
func (e *Engine) path(key pathKey, route *Route) *path {
	e.pathsMu.RLock()
	p := e.paths[key]
	e.pathsMu.RUnlock()
	if p != nil {
		return p
	}
	e.pathsMu.Lock()
	defer e.pathsMu.Unlock()
	if p = e.paths[key]; p != nil {
		return p
	}
	p = newPath(&e.core, key, route)
	e.paths[key] = p
	e.byThrottle[key.Path] = append(e.byThrottle[key.Path], p)
	return p
}

func (e *Engine) allPaths() []*path {
	e.pathsMu.RLock()
	defer e.pathsMu.RUnlock()
	return slices.AppendSeq(make([]*path, 0, len(e.paths)), maps.Values(e.paths))
}

// forget drops a path unless it has something to do.
func (e *Engine) forget(p *path) {
	e.pathsMu.Lock()
	defer e.pathsMu.Unlock()
	if !p.retire() {
		return
	}
	delete(e.paths, p.key)
	list := slices.DeleteFunc(e.byThrottle[p.key.Path], func(q *path) bool { return q == p })
	if e.byThrottle[p.key.Path] = list; len(list) == 0 {
		delete(e.byThrottle, p.key.Path)
	}
}

// changed is told by the throttle that a wait may be over.
func (e *Engine) changed(tp throttle.Path) {
	if tp == (throttle.Path{}) {
		for _, p := range e.allPaths() {
			p.look()
		}
		return
	}
	e.pathsMu.RLock()
	defer e.pathsMu.RUnlock()
	for _, p := range e.byThrottle[tp] {
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
		if e.stopping.Load() {
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
		if e.load() <= e.prefetch*3/4 {
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
		case <-e.steered:
			e.reexamine()
			n--
			continue
		case <-ticker.C:
		case <-e.consume.Done():
			return
		}
		if e.short() {
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

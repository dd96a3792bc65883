package delivery

import (
	"context"
	"sync"

	"github.com/sluicemail/sluice/delivery/internal/aside"
	"github.com/sluicemail/sluice/delivery/internal/locks"
)

// routing looks up routes that are not cached. All messages of a domain wait for one look-up; a fixed number of
// look-ups run at a time; what waits is bounded, so that a DNS that does not answer never fills the memory that mail
// with known routes needs: beyond the bound, messages are parked by domain until the look-ups have caught up.
type routing struct {
	e       *Engine
	mu      locks.Mutex[locks.Path]
	waiting map[string]*jobList
	todo    []string // domains whose look-up has not begun
	n       int      // jobs waiting
	workers int
	shelf   aside.Shelf // domains of which messages are parked
	done    sync.WaitGroup
}

func (r *routing) init(e *Engine) {
	r.e = e
	r.waiting = make(map[string]*jobList)
	r.shelf.Init(&e.aside, r)
}

func (r *routing) add(j *job) {
	r.mu.Lock()
	if r.e.stopping() {
		r.mu.Unlock()
		r.e.release(j)
		return
	}
	r.shelf.Arrived(j.domain)
	list := r.waiting[j.domain]
	if r.n >= r.e.memory.half() || (list != nil && list.len() >= r.e.pathQueue) {
		r.mu.Unlock()
		r.e.park(j, "its route is being looked up")
		return
	}
	if list == nil {
		list = new(jobList)
		r.waiting[j.domain] = list
		r.todo = append(r.todo, j.domain)
		if r.workers < r.e.lookups {
			r.workers++
			r.done.Add(1)
			go r.work()
		}
	}
	list.pushBack(j)
	r.n++
	r.mu.Unlock()
}

// adopt makes the parked messages of a domain, whose route is not known, the business of the look-ups.
func (r *routing) adopt(domain string) { r.shelf.Put(domain, false) }

// work looks up one domain after the other until none waits.
func (r *routing) work() {
	defer r.done.Done()
	for {
		r.mu.Lock()
		if len(r.todo) == 0 {
			r.todo = nil
			r.workers--
			r.mu.Unlock()
			return
		}
		domain := r.todo[0]
		r.todo = r.todo[1:]
		wanted := r.waiting[domain].len() > 0 || r.e.stopping()
		if !wanted { // all that waited is paused
			delete(r.waiting, domain)
		}
		r.mu.Unlock()
		if wanted {
			r.lookUp(domain)
		}
	}
}

// lookUp finds the route of a domain and passes on what waits for it.
func (r *routing) lookUp(domain string) {
	e := r.e
	var route *Route
	err := context.Canceled
	if !e.stopping() {
		route, err = e.router.Route(e.untilStop(), domain)
	}
	if err == nil {
		e.tellAlias(route.Site, domain)
	}
	jobs, parked := r.take(domain, err == nil)
	var p *path
	for _, j := range jobs {
		switch {
		case e.stopping():
			e.release(j)
		case err != nil:
			e.unreached(j, routeResult(err))
		default:
			p = e.place(j, route)
		}
	}
	if parked && p != nil {
		p.adopt(domain)
	}
	r.refill()
}

// take returns what waits for the route of a domain, and whether more of that is parked; when found is set, that is the
// caller's business from now on.
func (r *routing) take(domain string, found bool) (jobs []*job, parked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	jobs = r.waiting[domain].takeAll()
	delete(r.waiting, domain)
	r.n -= len(jobs)
	return jobs, found && r.shelf.Take(domain)
}

// refill asks for what was parked once the look-ups have caught up.
func (r *routing) refill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.e.memory.half()/2 - r.n
	if n <= 0 || r.e.stopping() {
		return
	}
	// Messages whose look-up goes on would only be parked again. The sweep of the engine looks after the rest.
	r.shelf.Order(n, func(domain string) bool { return r.waiting[domain] == nil })
}

// Served implements aside.Owner.
func (r *routing) Served() {}

// String implements aside.Owner.
func (r *routing) String() string { return "look-ups" }

// waits returns how many messages wait for the route of a domain.
func (r *routing) waits(domain string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if list := r.waiting[domain]; list != nil {
		return list.len()
	}
	return 0
}

// wait waits for the end of all look-ups. What is added from now on finds that the engine stops.
func (r *routing) wait() {
	r.mu.Lock() // what is being added comes first
	defer r.done.Wait()
	r.mu.Unlock()
}

// reexamine goes through what waits for a route.
func (r *routing) reexamine() {
	r.mu.Lock()
	domains := make([]string, 0, len(r.waiting))
	for domain := range r.waiting {
		domains = append(domains, domain)
	}
	r.mu.Unlock()
	for _, domain := range domains {
		for more := true; more && !r.e.stopping(); {
			more = r.reexamineSome(domain)
		}
	}
}

// reexamineSome goes through some of what waits for the route of a domain, and reports whether there may be more.
func (r *routing) reexamineSome(domain string) bool {
	epoch := r.e.epoch()
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.waiting[domain]
	if list == nil {
		return false
	}
	n := 0
	for j := range list.all() {
		if !j.outdated(epoch) {
			continue
		}
		if n++; n > piece {
			break
		}
		if v := r.e.plan(j); !v.goes() {
			list.remove(j)
			r.n--
			r.e.dispose(j, v)
		}
	}
	return n > piece
}

// has reports whether a message waits for the route of a domain.
func (r *routing) has(id, domain string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.waiting[domain]
	return list != nil && list.place(id) >= 0
}

package delivery

import (
	"context"
	"net"
	"strconv"
	"sync"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// routing looks up routes that are not cached. All messages of a domain wait for one look-up; a fixed number of
// look-ups run at a time; what waits is bounded, so that a DNS that does not answer never fills the memory that mail
// with known routes needs: beyond the bound, messages are parked by domain until the look-ups have caught up.
type routing struct {
	e       *Engine
	mu      sync.Mutex
	waiting map[string]*jobList
	todo    []string // domains whose look-up has not begun
	n       int      // jobs waiting
	workers int
	parked  parkings
	asking  bool // an Unpark is under way
	done    sync.WaitGroup
}

func (r *routing) init(e *Engine) {
	r.e = e
	r.waiting = make(map[string]*jobList)
}

// route finds out where a message goes and puts it there, now if that is known.
func (e *Engine) route(j *job) {
	if j.m.Smarthost != nil && j.m.Smarthost.Hostname != "" {
		e.place(j, smarthostRoute(j.m.Smarthost))
		return
	}
	route, err, ok := e.Router.Cached(j.domain)
	switch {
	case !ok:
		e.routing.add(j)
	case err != nil:
		e.unreached(j, routeResult(err))
	default:
		e.place(j, route)
	}
}

// smarthostRoute is the route of a message that names its own relay.
func smarthostRoute(s *queue.Smarthost) *Route {
	port := orDefault(s.Port, 25)
	route := &Route{
		Site:  net.JoinHostPort(s.Hostname, strconv.Itoa(port)),
		Hosts: []Host{{Name: s.Hostname, Port: port, AllowPrivate: true}},
		Relay: true,
	}
	if s.Username != "" {
		route.Credentials = &Credentials{Username: s.Username, Password: s.Password, Plaintext: s.Plaintext}
	}
	return route
}

func (r *routing) add(j *job) {
	r.mu.Lock()
	if r.e.stopping.Load() {
		r.mu.Unlock()
		r.e.release(j)
		return
	}
	if r.e.pausing.adopts(j.domain) {
		r.parked.note(j.domain)
	}
	list := r.waiting[j.domain]
	if r.n >= r.e.Prefetch/2 || (list != nil && list.n >= r.e.PathQueue) {
		r.mu.Unlock()
		r.e.park(j, "its route is being looked up")
		return
	}
	if list == nil {
		list = new(jobList)
		r.waiting[j.domain] = list
		r.todo = append(r.todo, j.domain)
		if r.workers < r.e.Lookups {
			r.workers++
			r.done.Add(1)
			go r.work()
		}
	}
	list.pushBack(j)
	r.n++
	r.mu.Unlock()
}

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
		wanted := r.waiting[domain].n > 0 || r.e.stopping.Load()
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
	if !e.stopping.Load() {
		route, err = e.Router.Route(e.consume, domain)
	}
	if err == nil {
		if aliaser, ok := e.Throttle.(throttle.Aliaser); ok {
			aliaser.Alias(route.Site, domain)
		}
	}
	jobs, parked := r.take(domain, err == nil)
	var p *path
	for _, j := range jobs {
		switch {
		case e.stopping.Load():
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
	if found {
		_, parked = r.parked.domains[domain]
		delete(r.parked.domains, domain)
	}
	return jobs, parked
}

// adopt makes the parked messages of a domain the business of the look-ups.
func (r *routing) adopt(domain string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parked.note(domain)
}

// refill asks for what was parked once the look-ups have caught up.
func (r *routing) refill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.e.Prefetch/4 - r.n
	if len(r.parked.domains) == 0 || n <= 0 || r.asking || r.e.stopping.Load() {
		return
	}
	// Messages whose look-up goes on would only be parked again.
	domains := r.parked.some(n, func(domain string) bool {
		return r.waiting[domain] == nil && !r.e.pausing.covers(domain)
	})
	if len(domains) == 0 {
		return
	}
	count := r.parked.count
	r.asking = true
	r.e.settler.Call(func() {
		_, empty, err := r.e.settler.Unpark(domains, n)
		if err != nil {
			r.e.Logger.Warn("fetching parked messages failed; trying again", "error", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asking = false
		r.parked.forget(empty, count)
	})
}

// waits returns how many messages wait for the route of a domain.
func (r *routing) waits(domain string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if list := r.waiting[domain]; list != nil {
		return list.n
	}
	return 0
}

// wait waits for the end of all look-ups. What is added from now on finds that the engine stops.
func (r *routing) wait() {
	r.mu.Lock() // what is being added comes first
	defer r.done.Wait()
	r.mu.Unlock()
}

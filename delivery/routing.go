package delivery

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"github.com/sluicemail/sluice/monitor"
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
	todo    []string // domains nobody looks up yet
	n       int      // jobs waiting
	workers int
	parked  map[string]struct{}
	done    sync.WaitGroup
}

func (r *routing) init(e *Engine) {
	r.e = e
	r.waiting = make(map[string]*jobList)
	r.parked = make(map[string]struct{})
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
		route.Credentials = &Credentials{Username: s.Username, Password: s.Password}
	}
	return route
}

func (r *routing) add(j *job) {
	r.mu.Lock()
	list := r.waiting[j.domain]
	if r.n >= r.e.Prefetch/2 || (list != nil && list.n >= r.e.PathQueue) {
		if len(r.parked) < maxParkedDomains {
			r.parked[j.domain] = struct{}{}
		}
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
		r.mu.Unlock()
		r.lookUp(domain)
	}
}

func (r *routing) lookUp(domain string) {
	e := r.e
	var route *Route
	err := context.Canceled
	if !e.stopping.Load() {
		route, err = e.Router.Route(e.consume, domain)
	}
	r.mu.Lock()
	jobs := r.waiting[domain].takeAll()
	delete(r.waiting, domain)
	r.n -= len(jobs)
	r.unpark()
	r.mu.Unlock()
	if err == nil {
		if aliaser, ok := e.Throttle.(throttle.Aliaser); ok {
			aliaser.Alias(route.Site, domain)
		}
	}
	for _, j := range jobs {
		switch {
		case e.stopping.Load():
			e.release(j)
		case err != nil:
			e.unreached(j, routeResult(err))
		default:
			e.place(j, route)
		}
	}
}

// unpark asks for what was parked once the look-ups have caught up. r.mu is held.
func (r *routing) unpark() {
	room := r.e.Prefetch/4 - r.n
	if len(r.parked) == 0 || room <= 0 {
		return
	}
	domains := make([]string, 0, min(room, len(r.parked)))
	for domain := range r.parked {
		if len(domains) == room {
			break
		}
		domains = append(domains, domain)
		delete(r.parked, domain)
	}
	r.e.settler.add(task{unpark: &unparking{domains: domains, n: room, again: r.parkedStill}})
}

// parkedStill remembers a domain that has more parked messages than were asked for.
func (r *routing) parkedStill(domain string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.parked) < maxParkedDomains {
		r.parked[domain] = struct{}{}
	}
}

func (r *routing) wait() { r.done.Wait() }

// unreached finishes or reschedules a job for which no connection could be had: the result counts as its attempt.
func (e *Engine) unreached(j *job, result queue.Result) {
	var source netip.Addr
	if j.path != nil {
		source = j.path.key.Source
	}
	e.observe(monitor.Event{Kind: monitor.Attempted, MTA: source, Domain: j.domain, Tags: j.m.Tags})
	switch {
	case result.State == queue.StateProcess, result.Code >= 500 && !ourFault(result.State):
		e.fail(j, result)
	default:
		e.retry(j, result)
	}
}

// ourFault tells the states in which a permanent refusal says more about our set-up than about the message: it is tried
// again until it expires, so that an operator has time to mend a password or a certificate.
func ourFault(state queue.ResultState) bool {
	switch state {
	case queue.StateBind, queue.StateStartTLS, queue.StateAuthPlain, queue.StateAuthLogin, queue.StateAuthUsername,
		queue.StateAuthPassword, queue.StateAuthCRAM, queue.StateAuthResponse:
		return true
	}
	return false
}

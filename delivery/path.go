package delivery

import (
	"sync"
	"time"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// pathKey tells paths apart. Messages share connections when they share a key: beside source and site that is how much
// the connection must be protected, and the login at a smarthost.
type pathKey struct {
	throttle.Path
	security queue.Security
	domain   string // only with security verified: the certificate is checked for it
	login    Credentials
}

// path is the way from a source address to a site: what waits for it, and the connections that take it there.
type path struct {
	e   *Engine
	key pathKey

	mu       sync.Mutex
	route    *Route
	ready    jobList
	parked   map[string]struct{} // domains of which messages were parked
	expected int                 // unparked messages still on their way here
	asking   bool                // an Unpark is under way
	open     int                 // established connections
	starting int                 // connections being made
	idle     []*connection       // the last to become idle is the first to work again
	gone     bool                // retired: make a new one
	used     time.Time

	failures  int       // rounds of connecting that failed since the last success
	offlineTo time.Time // back-off: no connection is tried before
	connectTo time.Time // the throttle allows no connection before
	sendTo    time.Time // the throttle allows no mail before
	wait      throttle.Wait
	starved   bool // waits for a slot
	timer     *time.Timer
	lastError string
}

func newPath(e *Engine, key pathKey, route *Route) *path {
	p := &path{e: e, key: key, route: route, used: time.Now()}
	p.timer = time.AfterFunc(time.Hour, p.look)
	p.timer.Stop()
	return p
}

// add puts a job at the end of the ready list, or has it parked when the list is full. It returns false when the path
// was retired meanwhile.
func (p *path) add(j *job, route *Route) bool {
	p.mu.Lock()
	if p.gone {
		p.mu.Unlock()
		return false
	}
	if route != nil {
		p.route = route
	}
	j.path = p
	if !p.room() {
		p.notePark(j.domain)
		p.mu.Unlock()
		p.e.park(j, "the list of its path is full")
		return true
	}
	if p.expected > 0 {
		p.expected--
	}
	p.ready.pushBack(j)
	p.advance()
	p.mu.Unlock()
	return true
}

// room reports whether the ready list takes another job. While older messages of the path are parked, new ones fill
// only half of it: the other half is for those that come back.
func (p *path) room() bool {
	limit := p.capacity()
	if len(p.parked) > 0 && p.expected == 0 {
		limit /= 2
	}
	return p.ready.n < limit
}

// capacity is the largest length of the ready list: the throttle's, and less when the engine's memory runs short.
func (p *path) capacity() int {
	limit := p.e.Throttle.Limits(p.key.Path).Queue.Messages
	if limit <= 0 {
		limit = p.e.PathQueue
	}
	return max(2, min(limit, p.e.fairShare()))
}

// maxParkedDomains bounds what a path remembers of parked domains; what it forgets comes back after queue.MaxParked.
const maxParkedDomains = 10000

func (p *path) notePark(domain string) {
	if p.parked == nil {
		p.parked = make(map[string]struct{})
	}
	if len(p.parked) < maxParkedDomains {
		p.parked[domain] = struct{}{}
	}
}

// putBack returns a job that was not sent to the front of the list, to go out next. While the engine stops, it goes back to the queue.
func (p *path) putBack(j *job) {
	p.mu.Lock()
	if p.e.stopping.Load() {
		p.mu.Unlock()
		p.e.release(j)
		return
	}
	p.ready.pushFront(j)
	p.advance()
	p.mu.Unlock()
}

// look has the path find out whether there is something to do. It does not block.
func (p *path) look() {
	p.mu.Lock()
	p.sendTo, p.connectTo = time.Time{}, time.Time{} // ask the throttle again
	p.advance()
	p.mu.Unlock()
}

// advance wakes an idle connection, opens a new one, or fetches parked messages, whatever is due. p.mu is held.
func (p *path) advance() {
	if p.e.stopping.Load() {
		return
	}
	p.refill()
	if p.ready.n == 0 {
		return
	}
	if !p.sendTo.IsZero() {
		if left := time.Until(p.sendTo); left > 0 {
			p.timer.Reset(left)
			return
		}
		p.sendTo = time.Time{}
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		c.rouse()
		return
	}
	p.grow()
}

// grow opens another connection when the open ones have more work than they should. p.mu is held.
func (p *path) grow() {
	if p.e.stopping.Load() || p.ready.n == 0 || !p.wantsConnection() || !p.mayConnect() {
		return
	}
	if !p.e.Slots.TryAcquire() {
		p.starve()
		return
	}
	p.connect()
}

// wantsConnection is the strategy of growth: the first connection is made at once; another when each one has enough
// messages waiting, no more of them starting at a time than there are open.
func (p *path) wantsConnection() bool {
	total := p.open + p.starting
	if total == 0 {
		return true
	}
	limits := p.e.Throttle.Limits(p.key.Path)
	limit := p.e.PathConnections
	if limits.Domain.Connections > 0 {
		limit = limits.Domain.Connections
	}
	if total >= limit || p.starting >= max(1, p.open) {
		return false
	}
	perConnection := limits.Connection.MinMessages
	if perConnection <= 0 {
		perConnection = 10
	}
	if limits.Connection.Spread {
		perConnection = 1
	}
	return p.ready.n >= perConnection*total
}

// mayConnect checks back-off and the throttle's last answer. p.mu is held.
func (p *path) mayConnect() bool {
	until := p.offlineTo
	if p.connectTo.After(until) {
		until = p.connectTo
	}
	if until.IsZero() {
		return true
	}
	if left := time.Until(until); left > 0 {
		p.timer.Reset(left)
		return false
	}
	p.offlineTo, p.connectTo = time.Time{}, time.Time{}
	return true
}

// connect starts a connection; the slot is acquired. p.mu is held.
func (p *path) connect() {
	p.starting++
	p.starved = false
	c := newConnection(p)
	p.e.conns.Add(1)
	go c.run()
}

// refill asks for parked messages once the list is half empty and the path is not in back-off. p.mu is held.
func (p *path) refill() {
	if len(p.parked) == 0 || p.asking || p.expected > 0 {
		return
	}
	room := p.capacity()/2 - p.ready.n
	if room <= 0 || (p.open == 0 && time.Now().Before(p.offlineTo)) {
		return
	}
	p.asking = true
	domains := make([]string, 0, min(len(p.parked), room))
	for domain := range p.parked {
		if len(domains) == room {
			break
		}
		domains = append(domains, domain)
	}
	p.e.settler.add(task{unpark: &unparking{p: p, domains: domains, n: room}})
}

// retire marks an idle path as gone; it returns false when the path has something to do after all.
func (p *path) retire() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy() || time.Since(p.used) < time.Minute {
		return false
	}
	p.gone = true
	p.timer.Stop()
	return true
}

func (p *path) busy() bool {
	return p.ready.n > 0 || p.open+p.starting > 0 || p.asking || p.expected > 0 || time.Now().Before(p.offlineTo)
}

// drain ends idle connections and releases what waits.
func (p *path) drain() {
	p.mu.Lock()
	jobs := p.ready.takeAll()
	idle := p.idle
	p.idle = nil
	p.timer.Stop()
	p.mu.Unlock()
	for _, c := range idle {
		c.dismiss()
	}
	for _, j := range jobs {
		p.e.release(j)
	}
}

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
	avoid    string // addresses that are not tried; see job.avoid
}

// path is the way from a source address to a site: what waits for it, and the connections that take it there.
type path struct {
	e   *Engine
	key pathKey

	mu       sync.Mutex
	route    *Route
	ready    jobList
	spared   int           // of ready: jobs that go first over a new connection, as another one ended before them
	cursor   *job          // in ready: the next one that reexamine looks at
	parked   parkings      // of its messages
	expected int           // unparked messages still on their way here
	asking   bool          // an Unpark is under way
	askTo    time.Time     // no Unpark before, unless all that was let go has come
	barred   time.Time     // no Unpark before
	owed     *queue.Result // of a failure for which no message was at hand: the next one gets it
	unfitTo  time.Time     // until then, the source has no address of a family that the site has
	open     int           // established connections
	good     int           // of these, such that a mail was answered over
	starting int           // connections being made
	idle     []*connection // the last to become idle is the first to work again
	gone     bool          // retired: make a new one
	used     time.Time     // a message was last taken, or a connection ended

	failures  int       // rounds of connecting that failed since the last success
	offlineTo time.Time // back-off: no connection is tried before
	growTo    time.Time // no further connection is tried before, while there are others
	connectTo time.Time // the throttle allows no connection before
	sendTo    time.Time // the throttle allows no mail before

	connectWait, sendWait throttle.Wait // why

	looks     uint64 // how often the throttle asked to look again
	starved   bool   // waits for a slot
	alarm     time.Time
	timer     *time.Timer // set to alarm
	lastError string
}

func newPath(e *Engine, key pathKey, route *Route) *path {
	p := &path{e: e, key: key, route: route, used: time.Now()}
	p.timer = time.AfterFunc(time.Hour, p.ring)
	p.timer.Stop()
	return p
}

// The ready list is changed only by put, putFirst and drop, which count the paths on which something waits.

func (p *path) put(j *job) {
	p.ready.pushBack(j)
	p.waits(j)
}

func (p *path) putFirst(j *job) {
	p.ready.pushFront(j)
	p.waits(j)
}

func (p *path) waits(j *job) {
	if j.unsent > 0 {
		p.spared++
	}
	if p.ready.n == 1 {
		p.e.waiting.Add(1)
	}
}

func (p *path) drop(j *job) {
	if p.cursor == j {
		p.cursor = j.next
	}
	p.ready.remove(j)
	if j.unsent > 0 {
		p.spared--
	}
	if p.ready.n == 0 {
		p.e.waiting.Add(-1)
	}
}

// first takes the first job of the ready list; nil when it is empty.
func (p *path) first() *job {
	j := p.ready.first
	if j != nil {
		p.drop(j)
	}
	return j
}

// firstFor takes the first job that a connection may carry; opening says that it would be the first mail of it. Jobs
// that must be the first go before others; they are near the front of the list.
func (p *path) firstFor(opening bool) *job {
	if p.spared == 0 {
		return p.first()
	}
	for j := p.ready.first; j != nil; j = j.next {
		if opening == (j.unsent > 0) {
			p.drop(j)
			return j
		}
	}
	return nil
}

func (p *path) takeAll() []*job {
	if p.ready.n > 0 {
		p.e.waiting.Add(-1)
	}
	p.cursor, p.spared = nil, 0
	return p.ready.takeAll()
}

// reception is what a path does with a job.
type reception uint8

const (
	received   reception = iota
	retired              // the path is gone; there is a new one
	unsuitable           // the source cannot reach the site
	outdated             // other things were decided since the job's source was chosen
)

// add puts a job at the end of the ready list, or has it parked when the list is full.
func (p *path) add(j *job, route *Route) reception {
	p.mu.Lock()
	switch {
	case p.gone:
		p.mu.Unlock()
		return retired
	case !p.unfitTo.IsZero() && time.Now().Before(p.unfitTo):
		p.mu.Unlock()
		return unsuitable
	case p.e.stopping.Load():
		p.mu.Unlock()
		p.e.release(j)
		return received
	case j.epoch != p.e.epoch.Load():
		p.mu.Unlock()
		return outdated
	}
	p.route = route
	j.path = p
	if p.e.pausing.adopts(j.domain) {
		p.notePark(j.domain)
	}
	unparked := p.asking || p.expected > 0
	if unparked {
		p.expected-- // unparked messages may be here before their number is
	}
	owed := p.owed
	switch {
	case owed != nil:
		p.owed = nil
		p.mu.Unlock()
		p.e.unreached(j, *owed)
	case !p.room(j, unparked):
		p.notePark(j.domain)
		if unparked {
			p.barred = time.Now().Add(onTheWay) // or it would come and go without end
		}
		p.refill()
		p.mu.Unlock()
		p.e.park(j, "the list of its path is full")
	default:
		p.put(j)
		p.advance()
		p.mu.Unlock()
	}
	return received
}

// putBack returns a job that was not sent to the front of the list, to go out next. While the engine stops, it goes
// back to the queue.
func (p *path) putBack(j *job) {
	p.mu.Lock()
	if p.e.stopping.Load() {
		p.mu.Unlock()
		p.e.release(j)
		return
	}
	p.putFirst(j)
	p.advance()
	p.mu.Unlock()
}

// look has the path ask the throttle again. It does not block.
func (p *path) look() {
	p.mu.Lock()
	p.looks++
	p.sendTo, p.connectTo = time.Time{}, time.Time{}
	for _, c := range p.idle {
		c.pausedTo = time.Time{}
	}
	p.advance()
	p.mu.Unlock()
}

// ring is called by the timer.
func (p *path) ring() {
	p.mu.Lock()
	p.alarm = time.Time{}
	p.advance()
	p.mu.Unlock()
}

// wakeAt sets the timer, unless it rings earlier. p.mu is held.
func (p *path) wakeAt(t time.Time) {
	if p.alarm.IsZero() || t.Before(p.alarm) {
		p.alarm = t
		p.timer.Reset(time.Until(t))
	}
}

// advance wakes an idle connection, opens a new one, or fetches parked messages, whatever is due. p.mu is held.
func (p *path) advance() {
	if p.e.stopping.Load() || p.gone {
		return
	}
	p.refill()
	if p.ready.n == 0 {
		return
	}
	now := time.Now()
	if now.Before(p.sendTo) {
		p.wakeAt(p.sendTo)
		return
	}
	if c := p.nextIdle(now); c != nil {
		c.wake()
		return
	}
	p.grow()
}

// nextIdle takes the connection out that became idle last and may work. p.mu is held.
func (p *path) nextIdle(now time.Time) *connection {
	for i := len(p.idle) - 1; i >= 0; i-- {
		if c := p.idle[i]; !now.Before(c.pausedTo) {
			p.removeIdle(c)
			return c
		}
	}
	return nil
}

// grow opens more connections when the open ones have more work than they should. p.mu is held.
func (p *path) grow() {
	for !p.e.stopping.Load() && p.ready.n > 0 && p.wantsConnection() && p.mayConnect() {
		if p.starved {
			return
		}
		if !p.e.Slots.TryAcquire() {
			p.starve()
			return
		}
		p.connect()
	}
}

// patient is how long what waits may see no connection take anything before another one is opened.
const patient = 15 * time.Second

// wantsConnection is the strategy of growth: the first connection is made at once; another when each one has enough
// messages waiting, or none has taken one for long, or for each message that needs a new one; no more of them starting
// at a time than are open. p.mu is held.
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
	return p.ready.n >= perConnection*total || p.spared > p.starting || time.Since(p.used) > patient
}

// mayConnect checks back-off and the throttle's last answer. p.mu is held.
func (p *path) mayConnect() bool {
	until := p.offlineTo
	if p.open > 0 {
		until = p.growTo
	}
	if p.connectTo.After(until) {
		until = p.connectTo
	}
	if time.Now().Before(until) {
		p.wakeAt(until)
		return false
	}
	return true
}

// connect starts a connection; the slot is acquired. p.mu is held.
func (p *path) connect() {
	p.starting++
	p.starved = false
	p.e.conns.Add(1)
	go newConnection(p).run()
}

// quiet is how long a path is remembered that has nothing to do.
const quiet = time.Minute

// retire marks an idle path as gone; it returns false when the path has something to do after all.
func (p *path) retire() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy() {
		return false
	}
	p.gone = true
	p.timer.Stop()
	return true
}

// busy reports whether the path has something to do, or something to remember. p.mu is held.
func (p *path) busy() bool {
	now := time.Now()
	return p.ready.n > 0 || p.open+p.starting > 0 || p.asking || p.starved || len(p.parked.domains) > 0 ||
		now.Before(p.offlineTo) || now.Before(p.unfitTo) || now.Sub(p.used) < quiet
}

// drain ends idle connections and releases what waits. The engine stops: nothing new begins once it returned.
func (p *path) drain() {
	p.mu.Lock()
	jobs := p.takeAll()
	idle := p.idle
	p.idle = nil
	p.timer.Stop()
	p.mu.Unlock()
	for _, c := range idle { // to find that it must end
		c.wake()
	}
	for _, j := range jobs {
		p.e.release(j)
	}
}

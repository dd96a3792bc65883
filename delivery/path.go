package delivery

import (
	"time"

	"github.com/sluicemail/sluice/delivery/internal/aside"
	"github.com/sluicemail/sluice/delivery/internal/locks"
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
	avoid    string // addresses that are not tried; see detour
}

// path is the way from a source address to a site: what waits for it, and the connections that take it there.
type path struct {
	e   *core
	key pathKey

	mu       locks.Mutex[locks.Path]
	route    *Route
	ready    readyList
	shelf    aside.Shelf   // domains of its messages that are parked
	owed     *queue.Result // of a failure for which no message was at hand: the next one gets it
	unfitTo  time.Time     // until then, the source has no address of a family that the site has
	open     int           // established connections
	good     int           // of these, such that a mail was answered over
	starting int           // connections being made
	idle     idleList
	gone     bool      // retired: make a new one
	used     time.Time // a message was last taken, or a connection ended

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

func newPath(e *core, key pathKey, route *Route) *path {
	p := &path{e: e, key: key, route: route, used: time.Now()}
	p.ready.waiting = &e.waiting
	p.timer = time.AfterFunc(time.Hour, p.ring)
	p.timer.Stop()
	p.shelf.Init(&e.aside, p)
	return p
}

const (
	received   reception = iota
	retired              // the path is gone; there is a new one
	unsuitable           // the source cannot reach the site
	outdated             // other things were decided since the job's source was chosen
)

// way returns the route that was given last, and how often the throttle asked to look again.
func (p *path) way() (route *Route, looks uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.route, p.looks
}

// wakeAt sets the timer, unless it rings earlier. p.mu is held.
func (p *path) wakeAt(t time.Time) {
	if p.alarm.IsZero() || t.Before(p.alarm) {
		p.alarm = t
		p.timer.Reset(time.Until(t))
	}
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
	return p.ready.n > 0 || p.open+p.starting > 0 || p.starved || p.shelf.Len() > 0 || p.shelf.Awaits() ||
		now.Before(p.offlineTo) || now.Before(p.unfitTo) || now.Sub(p.used) < quiet
}

package delivery

import (
	"time"

	"github.com/sluicemail/sluice/delivery/internal/alarm"
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
	domain   string // of mail that has its TLS verified, with connections for each domain
	// requireTLS and tlsOptional are of the messages; one of them at most.
	requireTLS, tlsOptional bool

	sts    string // what the enforced MTA-STS policy of the domain demands; see STSPolicy
	secure bool   // the MX records were validated: TLSA records count
	login  Credentials
	avoid  string // addresses that are not tried; see detour
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

	starved bool // waits for a slot

	backOff   backOff
	allowance allowance
	alarm     alarm.Alarm // for the next advance
}

func newPath(e *core, key pathKey, route *Route) *path {
	p := &path{e: e, key: key, route: route, used: time.Now()}
	p.ready.init(e.memory.waits())
	p.alarm = alarm.New(p.ring)
	p.shelf.Init(&e.aside, p)
	return p
}

// id returns what tells a path apart from others, which does not change.
func (p *path) id() *pathKey { return &p.key }

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
	return p.route, p.allowance.told()
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
	p.alarm.Stop()
	return true
}

// busy reports whether the path has something to do, or something to remember. p.mu is held.
func (p *path) busy() bool {
	now := time.Now()
	return p.ready.len() > 0 || p.open+p.starting > 0 || p.starved || p.shelf.Len() > 0 || p.shelf.Awaits() ||
		now.Before(p.backOff.until(false)) || now.Before(p.unfitTo) || now.Sub(p.used) < quiet
}

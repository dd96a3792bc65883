package local

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// untilClosed is the wait for a limit that only a Close lifts.
const untilClosed = time.Hour

// account counts for one path or one target address.
type account struct {
	refs int // connections and callers at work; guarded by the lock of the shard

	mu          sync.Mutex
	messages    rates
	bytes       rates
	log         byteLog
	connects    rates
	connections int // simultaneous
	starting    int // of these
	idle        int // of these

	// Who was refused, by what would help.
	wantSlot, wantStart, wantRate throttle.PathSet
}

// hold is one reason to wait; the zero hold is none. Limit is without prefix.
type hold struct {
	wait  time.Duration
	limit string
}

// longer returns the hold that lasts longer.
func (h hold) longer(other hold) hold {
	if other.wait > h.wait {
		return other
	}
	return h
}

// mayConnect returns what holds up another connection, and remembers that path was held up. a.mu is held.
func (a *account) mayConnect(limits *throttle.Rates, path throttle.Path, now int64) hold {
	var h hold
	if limits.Connections > 0 && a.connections >= limits.Connections {
		h = h.longer(hold{untilClosed, "maxconnections"})
		a.wantSlot.Add(path)
	}
	if limits.Starting > 0 && a.starting >= limits.Starting {
		h = h.longer(hold{untilClosed, "maxstarting"})
		a.wantStart.Add(path)
	}
	if limits.Connects > 0 {
		h = h.longer(hold{a.connects.at(limits.Connects, now).wait(now), "maxconnects"})
	}
	return h
}

// connect counts a new connection. a.mu is held.
func (a *account) connect(limits *throttle.Rates, now int64) {
	if limits.Connects > 0 {
		a.connects.at(limits.Connects, now).take(1, now)
	}
	a.connections++
	a.starting++
}

// maySend returns what holds up a mail, and remembers that path was held up. a.mu is held.
func (a *account) maySend(size int64, limits *throttle.Rates, path throttle.Path, now int64) hold {
	var h hold
	if limits.Messages > 0 {
		h = hold{a.messages.at(limits.Messages, now).wait(now), "maxmessages"}
	}
	if limits.Bytes > 0 {
		wait := max(a.bytes.at(limits.Bytes, now).wait(now), a.log.wait(size, limits.Bytes, now))
		h = h.longer(hold{wait, "maxbytes"})
	}
	if h.wait > 0 {
		a.wantRate.Add(path)
	}
	return h
}

// reservation is what a mail took from an account.
type reservation struct {
	messages, bytes ticket
	logged          bool
}

// send counts a mail. a.mu is held.
func (a *account) send(size int64, limits *throttle.Rates, now int64) (r reservation) {
	if limits.Messages > 0 {
		r.messages = a.messages.at(limits.Messages, now).take(1, now)
	}
	if limits.Bytes > 0 {
		r.bytes = a.bytes.at(limits.Bytes, now).take(size, now)
		a.log.add(size, now)
		r.logged = true
	}
	return r
}

// cancel undoes send, done at a time, and returns whom to tell. a.mu is held.
func (a *account) cancel(r reservation, size, at, now int64) (tell throttle.PathSet) {
	gave := r.messages.giveBack(now)
	gave = r.bytes.giveBack(now) || gave
	if r.logged {
		a.log.remove(size, at)
		gave = true
	}
	if gave {
		tell = a.wantRate.Take()
	}
	return tell
}

// established counts a connection as no longer starting. a.mu is held.
func (a *account) established() (tell throttle.PathSet) {
	a.starting--
	return a.wantStart.Take()
}

// close counts a connection less. a.mu is held.
func (a *account) close(starting, idle bool) (tell throttle.PathSet) {
	a.connections--
	tell = a.wantSlot.Take()
	if idle {
		a.idle--
	}
	if starting {
		tell.Join(a.established())
	}
	return tell
}

// rests reports whether the account has nothing to remember.
func (a *account) rests(now int64) bool {
	return a.connections == 0 && a.messages.rests(now) && a.bytes.rests(now) && a.connects.rests(now) && a.log.rests(now)
}

const accountShards = 32

// accounts are found by key, made when needed, and dropped when they rest.
type accounts[K comparable] struct {
	seed   maphash.Seed
	shards [accountShards]accountShard[K]
}

type accountShard[K comparable] struct {
	mu        sync.Mutex
	accounts  map[K]*account
	nextSweep int // number of accounts at which to look for accounts that rest
}

const minSweep = 32

func newAccounts[K comparable]() *accounts[K] {
	s := &accounts[K]{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].accounts = make(map[K]*account)
		s.shards[i].nextSweep = minSweep
	}
	return s
}

func (s *accounts[K]) shard(key K) *accountShard[K] {
	return &s.shards[maphash.Comparable(s.seed, key)%accountShards]
}

// hold returns the account of key and keeps it until it is dropped as often.
func (s *accounts[K]) hold(key K, now int64) *account {
	shard := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	a := shard.accounts[key]
	if a == nil {
		if len(shard.accounts) >= shard.nextSweep {
			shard.sweep(now)
		}
		a = new(account)
		shard.accounts[key] = a
	}
	a.refs++
	return a
}

// drop ends a hold.
func (s *accounts[K]) drop(key K, a *account, now int64) {
	shard := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if a.refs--; a.refs == 0 && a.rests(now) {
		delete(shard.accounts, key)
	}
}

// sweep drops the accounts that nobody holds and that rest. Accounts that did not when their last connection ended are
// found here: there are never more than twice as many accounts as have something to remember.
func (s *accountShard[K]) sweep(now int64) {
	for key, a := range s.accounts {
		if a.refs == 0 && a.rests(now) {
			delete(s.accounts, key)
		}
	}
	s.nextSweep = max(minSweep, 2*len(s.accounts))
}

func (s *accounts[K]) length() (n int) {
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		n += len(shard.accounts)
		shard.mu.Unlock()
	}
	return n
}

// usage returns the counts of key.
func (s *accounts[K]) usage(key K) (u Usage) {
	shard := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if a := shard.accounts[key]; a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		u = Usage{Connections: a.connections, Starting: a.starting, Idle: a.idle}
	}
	return u
}

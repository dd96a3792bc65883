package local

import (
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// maxSent is how many mails of a connection can still be cancelled: more are never under way.
const maxSent = 8

// conn is the account of one connection. It takes part in the accounts of its path and its target.
type conn struct {
	t             *Throttler
	path          throttle.Path
	target        netip.Addr
	pathAccount   *account
	targetAccount *account

	limits     *throttle.Limits
	generation uint64 // of the limits
	free       bool   // nothing limits mails

	starting, idle, closed bool
	messages               int
	bytes                  int64
	sent                   [maxSent]sentMail // the last ones, newest at sentAt
	sentAt                 int
}

// sentMail is what a mail took.
type sentMail struct {
	size         int64
	at           int64 // zero: none, or cancelled
	path, target reservation
}

// bind makes limits those of the connection.
func (c *conn) bind(limits *throttle.Limits, generation uint64) {
	c.limits, c.generation = limits, generation
	per := &limits.Connection
	c.free = limits.PausedUntil.IsZero() &&
		limits.Domain.Messages <= 0 && limits.Domain.Bytes <= 0 && limits.Target.Messages <= 0 && limits.Target.Bytes <= 0 &&
		per.Messages <= 0 && per.Bytes <= 0
}

// lock locks both accounts, always in this order.
func (c *conn) lock() {
	c.pathAccount.mu.Lock()
	c.targetAccount.mu.Lock()
}

func (c *conn) unlock() {
	c.targetAccount.mu.Unlock()
	c.pathAccount.mu.Unlock()
}

func (c *conn) drop(now int64) {
	c.t.paths.drop(c.path, c.pathAccount, now)
	c.t.targets.drop(c.target, c.targetAccount, now)
}

// longest returns the longer of the waits of path and target, with its limit and rule.
func (c *conn) longest(path, target hold) throttle.Wait {
	h, limit := path, path.limit
	if target.wait > path.wait {
		h, limit = target, "ip_"+target.limit
	}
	if h.wait <= 0 {
		return throttle.Wait{}
	}
	return throttle.Wait{For: h.wait, Limit: limit, Rule: c.rule(limit)}
}

// rule returns the name of the rule that a limit comes from.
func (c *conn) rule(limit string) string { return origin(c.limits, limit) }

func origin(limits *throttle.Limits, limit string) string {
	if rule := limits.Origin[limit]; rule != "" {
		return rule
	}
	return configuration
}

// paused returns the wait of a path that is paused.
func paused(limits *throttle.Limits) throttle.Wait {
	if limits.PausedUntil.IsZero() {
		return throttle.Wait{}
	}
	left := time.Until(limits.PausedUntil)
	if left <= 0 {
		return throttle.Wait{}
	}
	return throttle.Wait{For: left, Limit: "pause", Rule: origin(limits, "pause")}
}

// Established: see throttle.Conn.
func (c *conn) Established() {
	if c.closed || !c.starting {
		return
	}
	c.starting = false
	c.lock()
	tell := c.pathAccount.established()
	tell.Join(c.targetAccount.established())
	c.unlock()
	c.t.listen.Tell(tell)
}

// Send: see throttle.Conn.
func (c *conn) Send(size int64) throttle.Wait {
	if generation := c.t.generation.Load(); generation != c.generation {
		c.bind(c.t.Limits(c.path), generation)
	}
	if c.closed {
		return throttle.Wait{For: untilClosed, Limit: "connection_closed", Rule: configuration}
	}
	size = max(size, 0)
	if !c.free {
		if wait := c.reserve(size); !wait.Zero() {
			return wait
		}
	}
	c.messages++
	c.bytes += size
	return throttle.Wait{}
}

// reserve takes room for a mail from both accounts, or from none.
func (c *conn) reserve(size int64) throttle.Wait {
	if wait := paused(c.limits); !wait.Zero() {
		return wait
	}
	per := &c.limits.Connection
	switch {
	case per.Messages > 0 && c.messages >= per.Messages:
		return throttle.Wait{For: untilClosed, Limit: "connection_maxmessages", Rule: c.rule("connection_maxmessages")}
	case per.Bytes > 0 && c.bytes >= per.Bytes:
		return throttle.Wait{For: untilClosed, Limit: "connection_maxbytes", Rule: c.rule("connection_maxbytes")}
	}
	now := c.t.now()
	c.lock()
	defer c.unlock()
	wait := c.longest(c.pathAccount.maySend(size, &c.limits.Domain, c.path, now),
		c.targetAccount.maySend(size, &c.limits.Target, c.path, now))
	if wait.Zero() {
		c.sentAt = (c.sentAt + 1) % maxSent
		c.sent[c.sentAt] = sentMail{size: size, at: now,
			path:   c.pathAccount.send(size, &c.limits.Domain, now),
			target: c.targetAccount.send(size, &c.limits.Target, now)}
	}
	return wait
}

// Cancel: see throttle.Conn. Of mails of the same size the last one is given back.
func (c *conn) Cancel(size int64) {
	size = max(size, 0)
	if c.closed || c.messages == 0 {
		return
	}
	c.messages--
	c.bytes = max(0, c.bytes-size)
	for i := range maxSent {
		m := &c.sent[(c.sentAt-i+maxSent)%maxSent]
		if m.at == 0 || m.size != size {
			continue
		}
		now := c.t.now()
		c.lock()
		tell := c.pathAccount.cancel(m.path, size, m.at, now)
		tell.Join(c.targetAccount.cancel(m.target, size, m.at, now))
		c.unlock()
		m.at = 0
		c.t.listen.Tell(tell)
		return
	}
}

// Idle: see throttle.Conn.
func (c *conn) Idle(idle bool) {
	if c.closed || c.idle == idle {
		return
	}
	c.idle = idle
	n := -1
	if idle {
		n = 1
	}
	c.lock()
	c.pathAccount.idle += n
	c.targetAccount.idle += n
	c.unlock()
}

// Close: see throttle.Conn.
func (c *conn) Close() {
	if c.closed {
		return
	}
	c.closed = true
	c.lock()
	tell := c.pathAccount.close(c.starting, c.idle)
	tell.Join(c.targetAccount.close(c.starting, c.idle))
	c.unlock()
	c.drop(c.t.now())
	c.t.listen.Tell(tell)
}

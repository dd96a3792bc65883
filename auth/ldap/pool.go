package ldap

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pool keeps connections between logins and bounds their number.
type pool struct {
	options *Options
	slots   chan struct{} // one for each login under way

	mu     sync.Mutex
	idle   []idler // the longest unused first
	closed bool
}

type idler struct {
	*connection
	expiry *time.Timer
}

func newPool(o *Options) *pool {
	return &pool{options: o, slots: make(chan struct{}, o.Connections)}
}

// acquire waits for a slot, to be given back by release.
func (p *pool) acquire(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) release() { <-p.slots }

// take returns the connection used last, which is the one most likely to live, or a fresh one.
func (p *pool) take(ctx context.Context) (*connection, error) {
	for {
		c := p.pop()
		if c == nil {
			return connect(ctx, p.options)
		}
		if !c.dead() {
			return c, nil
		}
		c.close()
	}
}

func (p *pool) pop() *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	i := p.idle[last]
	p.idle[last] = idler{}
	p.idle = p.idle[:last]
	i.expiry.Stop()
	return i.connection
}

// put keeps a connection for the next login.
func (p *pool) put(c *connection) {
	p.mu.Lock()
	keep := !p.closed && p.options.IdleTime > 0
	if keep {
		c.reused = true
		p.idle = append(p.idle, idler{c, time.AfterFunc(p.options.IdleTime, func() { p.expire(c) })})
	}
	p.mu.Unlock()
	if !keep {
		c.close()
	}
}

// expire closes a connection unless it has been taken meanwhile.
func (p *pool) expire(c *connection) {
	p.mu.Lock()
	i := slices.IndexFunc(p.idle, func(i idler) bool { return i.connection == c })
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		c.close()
	}
}

// drop closes all connections that are not in use.
func (p *pool) drop() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, i := range idle {
		i.expiry.Stop()
		i.close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.drop()
}

package checks

import (
	"context"
	"net/netip"
	"sync"
)

const defaultPerClient = 4

// PerClient bounds how many mails of one client a check works on at a time; others of that client wait as long as their
// context lets them. So a client with many connections cannot keep a scanner from everybody else. An IPv6 client is its
// /64. It is used by pointer and safe for concurrent use.
type PerClient struct {
	Checker
	// Limit is how many: zero is 4.
	Limit int

	mu      sync.Mutex
	clients map[netip.Prefix]*turns // of clients that are being served
}

// turns are the places of one client.
type turns struct {
	free  chan struct{}
	users int // that have one or wait
}

// After returns what the checker itself waits for.
func (p *PerClient) After() []string {
	if later, ok := p.Checker.(Later); ok {
		return later.After()
	}
	return nil
}

// Check waits for one of the client's places and asks the checker. When there is none in time, the result is TempError.
func (p *PerClient) Check(ctx context.Context, mail *Mail) ([]Result, error) {
	key := clientOf(mail.Client)
	t := p.enter(key)
	defer p.leave(key, t)
	select {
	case t.free <- struct{}{}:
		defer func() { <-t.free }()
	case <-ctx.Done():
		return []Result{temporary(p.Name(), "too many mails of this client at a time")}, nil
	}
	return p.Checker.Check(ctx, mail)
}

func (p *PerClient) enter(key netip.Prefix) *turns {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.clients[key]
	if t == nil {
		if p.clients == nil {
			p.clients = make(map[netip.Prefix]*turns)
		}
		n := p.Limit
		if n <= 0 {
			n = defaultPerClient
		}
		t = &turns{free: make(chan struct{}, n)}
		p.clients[key] = t
	}
	t.users++
	return t
}

// leave forgets the client with its last mail.
func (p *PerClient) leave(key netip.Prefix, t *turns) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(p.clients, key)
	}
}

// clientOf returns what counts as one client; the zero Prefix is those without an address.
func clientOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

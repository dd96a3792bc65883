package api

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// guard slows down who guesses tokens: after ten wrong ones within a minute an address (of IPv6, its /64) is not heard
// for the rest of that minute. A token that was right from there before goes on working, so that a neighbour behind the
// same router does no harm. The zero guard is ready.
type guard struct {
	mu      sync.Mutex
	clients map[netip.Prefix]*client
}

type client struct {
	begin time.Time // of the minute
	wrong int
	right [sha256.Size]byte // hash of the last right token; zero: none
}

const (
	guardWindow  = time.Minute
	guardMost    = 10
	guardClients = 10_000
)

// blocked returns how long an address is not heard with a token; 0: it is.
func (g *guard) blocked(ip netip.Addr, token string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.clients[guardKey(ip)]
	if c == nil || c.wrong < guardMost || token != "" && c.right == sha256.Sum256([]byte(token)) {
		return 0
	}
	return max(c.begin.Add(guardWindow).Sub(now), 0)
}

// note counts a token that was right or wrong.
func (g *guard) note(ip netip.Addr, token string, right bool, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := guardKey(ip)
	c := g.clients[key]
	if c == nil {
		if g.clients == nil {
			g.clients = make(map[netip.Prefix]*client)
		}
		g.makeRoom(now)
		c = &client{begin: now}
		g.clients[key] = c
	}
	if now.Sub(c.begin) >= guardWindow {
		c.begin, c.wrong = now, 0
	}
	if right {
		c.right = sha256.Sum256([]byte(token))
	} else {
		c.wrong++
	}
}

// makeRoom forgets whose minute is over, and anybody when that does not help.
func (g *guard) makeRoom(now time.Time) {
	if len(g.clients) < guardClients {
		return
	}
	for key, c := range g.clients {
		if now.Sub(c.begin) >= guardWindow {
			delete(g.clients, key)
		}
	}
	for key := range g.clients {
		if len(g.clients) < guardClients {
			return
		}
		delete(g.clients, key)
	}
}

func guardKey(ip netip.Addr) netip.Prefix {
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}

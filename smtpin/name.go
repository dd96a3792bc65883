package smtpin

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
)

// nameRetry is how long a failed look-up of our own name is believed.
const nameRetry = 10 * time.Minute

// names remembers the reverse DNS of our own addresses: there are few of them.
type names struct {
	mu   sync.Mutex
	seen map[netip.Addr]*ownName
}

// maxNames bounds what is remembered: our own addresses are few, those in PROXY headers need not be.
const maxNames = 1000

type ownName struct {
	mu    sync.Mutex
	name  string
	until time.Time // when a failure is forgotten
}

// serverName returns our name for a connection to a local address.
func (s *Server) serverName(ctx context.Context, local netip.Addr) string {
	if s.Name != nil {
		if name := s.Name(local); name != "" {
			return name
		}
	}
	if s.Hostname != "" {
		return s.Hostname
	}
	if !local.IsValid() {
		return "localhost"
	}
	if name := s.reverseName(ctx, local); name != "" {
		return name
	}
	return string(addr.AppendLiteral(nil, local))
}

// reverseName looks a local address up once; connections that come meanwhile wait for the answer.
func (s *Server) reverseName(ctx context.Context, local netip.Addr) string {
	s.names.mu.Lock()
	n := s.names.seen[local]
	if n == nil {
		if s.names.seen == nil || len(s.names.seen) >= maxNames {
			s.names.seen = make(map[netip.Addr]*ownName)
		}
		n = &ownName{}
		s.names.seen[local] = n
	}
	s.names.mu.Unlock()

	n.mu.Lock()
	defer n.mu.Unlock()
	if n.name != "" || time.Now().Before(n.until) {
		return n.name
	}
	var r Resolver = net.DefaultResolver
	if s.Resolver != nil {
		r = s.Resolver
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := r.LookupAddr(ctx, local.String())
	if err != nil || len(found) == 0 {
		n.until = time.Now().Add(nameRetry)
		return ""
	}
	name := strings.TrimSuffix(found[0], ".")
	if !addr.ValidDomain(name, addr.Loose) {
		n.until = time.Now().Add(nameRetry)
		return ""
	}
	n.name = name
	return n.name
}

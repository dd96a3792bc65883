package live

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/internal/reverse"
)

// Resolver is what the console asks about the names of local addresses. *net.Resolver and *resolver.Resolver are ones.
type Resolver interface {
	LookupAddr(ctx context.Context, addr string) (names []string, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	reverseEvery = 2 * time.Minute  // what the DNS says is asked again
	reverseTime  = 20 * time.Second // for all look-ups of one address
	reverseTurns = 4                // addresses that are looked up at a time
	maxReverse   = 2000             // addresses remembered
)

// names is what the DNS says of local addresses.
type names struct {
	mu    sync.Mutex
	known map[netip.Addr]*frame.Latest[reverse.Naming]
	turns chan struct{} // holds a token for each address that is looked up
}

// misnamed says in a sentence what is wrong with the names of a local address, as far as that is known by now; "":
// nothing. No page waits for the DNS.
func (c *Live) misnamed(address string) string {
	ip, err := netip.ParseAddr(address)
	if ip = ip.Unmap(); c.Resolver == nil || err != nil || ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() {
		return ""
	}
	found, at, err := c.namingOf(ip).Last()
	if at.IsZero() || err != nil {
		return ""
	}
	return problemOf(found, ip, strings.ToLower(cmp.Or(c.Settings.Current().Name(ip), c.Hostname)))
}

func (c *Live) namingOf(ip netip.Addr) *frame.Latest[reverse.Naming] {
	n := &c.names
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known) >= maxReverse {
		n.known, n.turns = map[netip.Addr]*frame.Latest[reverse.Naming]{}, make(chan struct{}, reverseTurns)
	}
	if n.known[ip] == nil {
		turns := n.turns
		n.known[ip] = frame.NewLatest(c.frame, reverseEvery, reverseEvery, func(ctx context.Context) (reverse.Naming, error) {
			select {
			case turns <- struct{}{}:
				defer func() { <-turns }()
				return lookUp(ctx, c.Resolver, ip)
			case <-ctx.Done():
				return reverse.Naming{}, ctx.Err()
			}
		})
	}
	return n.known[ip]
}

// lookUp asks for the names of an address within their time.
func lookUp(ctx context.Context, r Resolver, ip netip.Addr) (reverse.Naming, error) {
	ctx, cancel := context.WithTimeout(ctx, reverseTime)
	defer cancel()
	return reverse.LookUp(ctx, r, ip)
}

// problemOf compares the names of an address: the reverse DNS has to have one that leads back to it, as most receivers
// demand (RFC 1912 §2.1), and it should be the one that it greets with; "": it does.
func problemOf(n reverse.Naming, ip netip.Addr, greets string) string {
	if len(n.Names) == 0 {
		return "The reverse DNS has no name for " + ip.String() + ": many receivers refuse its mail."
	}
	first := human.Middle(n.Names[0], 60)
	switch {
	case !n.Back:
		return "The reverse DNS of " + ip.String() + " says " + first +
			", but that name does not lead back to it: many receivers refuse its mail."
	case greets != "" && !slices.Contains(n.Names, greets):
		return ip.String() + " greets as " + human.Middle(greets, 60) + ", but the reverse DNS calls it " + first +
			": some receivers mistrust that."
	}
	return ""
}

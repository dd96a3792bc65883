package live

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/human"
)

// Resolver is what the console asks about the names of local addresses. *net.Resolver and *resolver.Resolver are ones.
type Resolver interface {
	LookupAddr(ctx context.Context, addr string) (names []string, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	reverseFor   = 10 * time.Minute // what was found is believed
	reverseAgain = time.Minute      // after a look-up that failed
	reverseTime  = 20 * time.Second // for all look-ups of one address
	maxReverse   = 2000             // addresses remembered
)

// reverseCache remembers what is wrong with the names of local addresses. They are looked up in the background, one
// address after the other: no page waits for the DNS.
type reverseCache struct {
	mu      sync.Mutex
	known   map[reverseKey]reverseFound
	waiting []reverseKey
	working bool
}

// reverseKey is an address and the name that it greets with.
type reverseKey struct {
	ip   netip.Addr
	name string
}

type reverseFound struct {
	until   time.Time
	problem string // "": there is none, or it is not known
}

// misnamed says in a sentence what is wrong with the names of a local address, as far as that is known by now; "":
// nothing.
func (c *Live) misnamed(address string) string {
	ip, err := netip.ParseAddr(address)
	if ip = ip.Unmap(); c.Resolver == nil || err != nil || ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() {
		return ""
	}
	key := reverseKey{ip, strings.ToLower(cmp.Or(c.Settings.Current().Name(ip), c.Hostname))}
	cache := &c.reverse
	cache.mu.Lock()
	defer cache.mu.Unlock()
	found, known := cache.known[key]
	if known && c.Now().Before(found.until) {
		return found.problem
	}
	if !slices.Contains(cache.waiting, key) && len(cache.waiting) < maxReverse {
		cache.waiting = append(cache.waiting, key)
	}
	if !cache.working && c.frame.Begin(c.lookUpNames) {
		cache.working = true
	}
	return found.problem
}

// lookUpNames works until nothing waits, or the console closes.
func (c *Live) lookUpNames(ctx context.Context) {
	cache := &c.reverse
	for {
		cache.mu.Lock()
		if len(cache.waiting) == 0 || ctx.Err() != nil {
			cache.working = false
			cache.mu.Unlock()
			return
		}
		key := cache.waiting[0]
		cache.mu.Unlock()
		found := c.judgeNames(ctx, key)
		cache.mu.Lock()
		cache.waiting = cache.waiting[1:]
		if cache.known == nil || len(cache.known) >= maxReverse {
			cache.known = map[reverseKey]reverseFound{}
		}
		cache.known[key] = found
		cache.mu.Unlock()
	}
}

// judgeNames compares the names of an address: the reverse DNS has to have one that leads back to it, as most receivers
// demand (RFC 1912 §2.1), and it should be the one that it greets with.
func (c *Live) judgeNames(ctx context.Context, key reverseKey) reverseFound {
	ctx, cancel := context.WithTimeout(ctx, reverseTime)
	defer cancel()
	names, err := c.Resolver.LookupAddr(ctx, key.ip.String())
	found := reverseFound{until: c.Now().Add(reverseFor)}
	switch {
	case err != nil && !isNotFound(err):
		found.until = c.Now().Add(reverseAgain)
		return found
	case len(names) == 0:
		found.problem = "The reverse DNS has no name for " + key.ip.String() + ": many receivers refuse its mail."
		return found
	}
	for i, name := range names {
		names[i] = strings.ToLower(strings.TrimSuffix(name, "."))
	}
	slices.Sort(names)
	back := false
	for _, name := range names[:min(len(names), 10)] {
		addresses, err := c.Resolver.LookupNetIP(ctx, "ip", name)
		if err != nil && !isNotFound(err) {
			found.until = c.Now().Add(reverseAgain)
			return found
		}
		back = back || slices.ContainsFunc(addresses, func(a netip.Addr) bool { return a.Unmap() == key.ip })
	}
	first := human.Middle(names[0], 60)
	switch {
	case !back:
		found.problem = "The reverse DNS of " + key.ip.String() + " says " + first +
			", but that name does not lead back to it: many receivers refuse its mail."
	case key.name != "" && !slices.Contains(names, key.name):
		found.problem = key.ip.String() + " greets as " + human.Middle(key.name, 60) + ", but the reverse DNS calls it " +
			first +
			": some receivers mistrust that."
	}
	return found
}

func isNotFound(err error) bool {
	wrong, ok := errors.AsType[*net.DNSError](err)
	return ok && wrong.IsNotFound
}

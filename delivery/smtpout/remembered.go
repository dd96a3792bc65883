package smtpout

import (
	"net/netip"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/lru"
)

const (
	// memoryTime is how long it is remembered of a remote what it cannot do.
	memoryTime = 4 * time.Hour
	// maxRemembered bounds of how many it is.
	maxRemembered = 10_000
)

// remembered is what remotes have shown that they cannot do, whatever they announce. The zero value is usable,
// concurrently.
type remembered[V any] struct {
	mu    sync.Mutex
	known lru.Cache[netip.AddrPort, V]
}

func (r *remembered[V]) add(remote netip.AddrPort, v V, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.Limit = maxRemembered
	r.known.Put(remote, v, 1, now.Add(memoryTime))
}

func (r *remembered[V]) of(remote netip.AddrPort, now time.Time) (v V, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known.Get(remote, now)
}

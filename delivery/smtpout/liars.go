package smtpout

import (
	"net/netip"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/lru"
)

const (
	// liarTime is how long a remote is remembered that announced PIPELINING and then did not answer a flight of
	// commands.
	liarTime = 4 * time.Hour
	// maxLiars bounds how many are.
	maxLiars = 10_000
)

// liars are remotes that get one command at a time whatever they announce: some read the first command of a flight and
// lose the others. The zero value is usable, concurrently.
type liars struct {
	mu    sync.Mutex
	known lru.Cache[netip.AddrPort, struct{}]
}

func (l *liars) add(remote netip.AddrPort, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known.Limit = maxLiars
	l.known.Put(remote, struct{}{}, 1, now.Add(liarTime))
}

func (l *liars) has(remote netip.AddrPort, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, found := l.known.Get(remote, now)
	return found
}

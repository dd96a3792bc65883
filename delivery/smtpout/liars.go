package smtpout

import (
	"net/netip"
	"sync"
	"time"
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
	until map[netip.AddrPort]time.Time
}

func (l *liars) add(remote netip.AddrPort, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until == nil || len(l.until) >= maxLiars {
		l.until = make(map[netip.AddrPort]time.Time)
	}
	l.until[remote] = now.Add(liarTime)
}

func (l *liars) has(remote netip.AddrPort, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.until[remote]
	if ok && !now.Before(until) {
		delete(l.until, remote)
		ok = false
	}
	return ok
}

package delivery

import (
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/locks"
)

// learned remembers how many mails remotes take over one connection, as they were seen to end connections: some close,
// or answer 421 or 452, once they had enough. A number counts when the remote stopped at it twice in a row, the second
// time on a connection that was opened after the first one had ended, or else connections that broke together would
// teach it. It is forgotten after a day, or when a connection carried more.
type learned struct {
	mu    locks.Mutex[locks.Leaf]
	known map[netip.AddrPort]*habit
}

// habit is how many mails a remote takes over one connection.
type habit struct {
	site  string
	mails int       // zero: not known
	since time.Time // it is

	last int       // mails of the last connection that the remote ended
	at   time.Time // when that was
}

const (
	maxLearned   = 10000
	learnedLasts = 24 * time.Hour
)

func (l *learned) init() { l.known = make(map[netip.AddrPort]*habit) }

// stopped notes that the remote had enough of a connection, opened then, after so many mails. It reports whether
// something new is known by that.
func (l *learned) stopped(remote netip.AddrPort, site string, opened time.Time, mails int) bool {
	if !remote.IsValid() {
		return false
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.known[remote]
	if h == nil || h.old(now) {
		makeRoom(l.known, maxLearned, func(h *habit) bool { return h.old(now) })
		l.known[remote] = &habit{site: site, last: mails, at: now}
		return false
	}
	if mails == h.last && opened.Before(h.at) {
		return false
	}
	again := mails == h.last && mails != h.mails
	h.last, h.at = mails, now
	if again {
		h.mails, h.since = mails, now
	}
	return again
}

// carried notes that a connection carried so many mails.
func (l *learned) carried(remote netip.AddrPort, mails int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.known[remote]; h != nil && mails > h.last && mails > h.mails {
		delete(l.known, remote)
	}
}

// most returns how many mails a remote takes over one connection; zero: any number, as far as is known.
func (l *learned) most(remote netip.AddrPort) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.known[remote]; h != nil && !h.old(time.Now()) {
		return h.mails
	}
	return 0
}

// of returns the smallest number that is known of the remotes of a site, and since when; zero: none is.
func (l *learned) of(site string) (mails int, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.known {
		if h.site == site && h.mails > 0 && !h.old(time.Now()) && (mails == 0 || h.mails < mails) {
			mails, since = h.mails, h.since
		}
	}
	return mails, since
}

// old reports whether what was seen is out of date.
func (h *habit) old(now time.Time) bool {
	seen := h.at
	if h.mails > 0 {
		seen = h.since
	}
	return now.Sub(seen) > learnedLasts
}

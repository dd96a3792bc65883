package monitor

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// SessionFilter selects sessions. Every field that is set must match; the zero SessionFilter selects all.
type SessionFilter struct {
	ID       uint64       // of one session, from SessionInfo
	IP       netip.Prefix // holds the local or the remote address; zero: any
	Domain   string       // target site, or a parent of it; sessions that came in have none
	Incoming bool         // only sessions that came in
	Outgoing bool         // only sessions that go out
	// Text is looked for in what is said, regardless of case: an address, for instance. A session is shown from a
	// little before the text first came up. Sessions lists do not look at it.
	Text string
	// Mails is how many bytes of each mail, up to 1 MiB, are wanted as a Flight of its own; zero: none. It selects
	// nothing.
	Mails int
	// Most is how many sessions are followed at a time, so that those are followed whole when there are many: others
	// are passed over and cost nothing. Zero: all. It selects nothing.
	Most int
}

func (f *SessionFilter) matches(id uint64, s *Session) bool {
	switch {
	case f.ID != 0 && f.ID != id,
		f.Incoming && !s.Incoming,
		f.Outgoing && s.Incoming,
		f.IP.IsValid() && !f.IP.Contains(s.Local.Addr().Unmap()) && !f.IP.Contains(s.Remote.Addr().Unmap()):
		return false
	}
	return f.Domain == "" || below(strings.ToLower(s.Domain), strings.ToLower(f.Domain))
}

// below reports whether name is domain or a name under it.
func below(name, domain string) bool {
	rest, ok := strings.CutSuffix(name, domain)
	return ok && (rest == "" || rest[len(rest)-1] == '.')
}

// SessionInfo is a line in the list of sessions.
type SessionInfo struct {
	ID    uint64 // never used again
	Since time.Time
	Session
}

// sessions are the open transcripts and their watchers.
type sessions struct {
	mu       sync.Mutex
	lastID   uint64
	open     map[uint64]*tap
	watchers map[*Watcher]bool
}

// tap is the transcript of one session.
type tap struct {
	live    *Live
	info    SessionInfo
	watched atomic.Bool
	mails   atomic.Int64 // bytes of each mail that are wanted

	mu     sync.Mutex
	closed bool
	views  []*view
}

// Tap implements Monitor. Beyond MaxSessions the transcript cannot be watched.
func (l *Live) Tap(s Session) Transcript {
	all := &l.sessions
	s.Domain = strings.Clone(clip(s.Domain))
	t := &tap{live: l, info: SessionInfo{Since: l.now(), Session: s}}
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.open) >= cmp.Or(l.MaxSessions, 10_000) {
		return noTranscript{}
	}
	if all.open == nil {
		all.open = map[uint64]*tap{}
	}
	all.lastID++
	t.info.ID = all.lastID
	all.open[t.info.ID] = t
	for w := range all.watchers {
		t.join(w)
	}
	return t
}

// Sessions returns the open sessions that f selects, the oldest first: up to limit, or 1,000 when that is zero.
func (l *Live) Sessions(f SessionFilter, limit int) []SessionInfo {
	all := &l.sessions
	var list []SessionInfo
	all.mu.Lock()
	for id, t := range all.open {
		if f.matches(id, &t.info.Session) {
			list = append(list, t.info)
		}
	}
	all.mu.Unlock()
	slices.SortFunc(list, func(a, b SessionInfo) int { return cmp.Compare(a.ID, b.ID) })
	return list[:min(len(list), cmp.Or(limit, 1000))]
}

// Watched implements Transcript.
func (t *tap) Watched() bool { return t.watched.Load() }

// Line implements Transcript.
func (t *tap) Line(d Direction, data []byte) {
	if !t.watched.Load() {
		return
	}
	flight := Flight{Session: t.info, Time: t.live.now(), Direction: d}
	flight.Cut = max(len(data)-maxFlight, 0)
	flight.Data = slices.Clone(data[:len(data)-flight.Cut])
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range t.views {
		v.show(&flight)
	}
}

// MailWanted implements MailTranscript.
func (t *tap) MailWanted() int { return int(t.mails.Load()) }

// Mail implements MailTranscript.
func (t *tap) Mail(d Direction, begin []byte, size int64) {
	wanted := min(int(t.mails.Load()), len(begin))
	if t.mails.Load() == 0 {
		return
	}
	flight := Flight{Session: t.info, Time: t.live.now(), Direction: d, Mail: true, Data: slices.Clone(begin[:wanted])}
	flight.Cut = int(max(size-int64(wanted), 0))
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range t.views {
		if v.open && v.watcher.filter.Mails > 0 {
			v.watcher.put(&flight)
		}
	}
}

// Close implements Transcript.
func (t *tap) Close() {
	all := &t.live.sessions
	all.mu.Lock()
	delete(all.open, t.info.ID)
	all.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	for _, v := range t.views {
		v.show(&Flight{Session: t.info, Time: t.live.now(), Ended: true})
		v.watcher.following.Add(-1)
	}
	t.views = nil
	t.count()
}

// join lets w see the session, if its filter selects that.
func (t *tap) join(w *Watcher) {
	if !w.filter.matches(t.info.ID, &t.info.Session) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if !w.admit() {
		return
	}
	t.views = append(t.views, &view{watcher: w, open: w.text == nil})
	t.count()
}

func (t *tap) leave(w *Watcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.views = slices.DeleteFunc(t.views, func(v *view) bool { return v.watcher == w })
	t.count()
}

// count tells sessions whether anybody watches; the caller holds the lock.
func (t *tap) count() {
	mails := 0
	for _, v := range t.views {
		mails = max(mails, v.watcher.filter.Mails)
	}
	t.mails.Store(int64(min(mails, maxMail)))
	t.watched.Store(len(t.views) > 0)
}

package frame

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// session is somebody who is logged in. Its upper fields never change.
type session struct {
	user   string
	client netip.AddrPort // from where the login came
	begun  time.Time
	csrf   string // carried by every form

	seen    time.Time     // last use; guarded by sessions.mu
	written time.Time     // seen as it stands in the file; guarded by sessions.mu
	notices []string      // to be shown on the next page; guarded by sessions.mu
	ended   chan struct{} // closed at the end
}

// maxSessions bounds memory: beyond it the session that was idle for longest ends.
const maxSessions = 10_000

// sessions are all that are logged in, by the hash of the token that their cookies hold: a reader of this memory
// cannot log in with what is found.
type sessions struct {
	idle, lifetime time.Duration
	now            func() time.Time
	log            func() *slog.Logger
	kept           keptFile

	mu   sync.Mutex
	byID map[[sha256.Size]byte]*session
}

// randomToken returns 256 random bits as text.
func randomToken() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// begin makes a session and returns its token.
func (s *sessions) begin(user string, client netip.AddrPort) (string, *session) {
	token := randomToken()
	now := s.now()
	made := &session{user: user, client: client, begun: now, seen: now, csrf: randomToken(), ended: make(chan struct{})}
	s.add(sha256.Sum256([]byte(token)), made)
	s.write()
	return token, made
}

func (s *sessions) add(id [sha256.Size]byte, made *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[[sha256.Size]byte]*session{}
	}
	s.sweep(made.begun)
	s.byID[id] = made
}

// find returns the session of a token, and counts that as use when touch says so. Nil: there is none, or it has ended.
func (s *sessions) find(token string, touch bool) *session {
	if len(token) > 100 {
		return nil
	}
	id := sha256.Sum256([]byte(token))
	s.mu.Lock()
	found := s.byID[id]
	s.mu.Unlock()
	if found == nil || !s.valid(found, touch) {
		return nil
	}
	return found
}

// valid reports whether a session goes on. touch counts as use.
func (s *sessions) valid(one *session, touch bool) bool {
	is, old := s.look(one, touch)
	if old {
		s.write()
	}
	return is
}

// look reports whether a session goes on, and whether the file has an old time of its last use.
func (s *sessions) look(one *session, touch bool) (alive, old bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	select {
	case <-one.ended:
		return false, false
	default:
	}
	if !s.alive(one, now) {
		return false, false
	}
	if touch {
		one.seen = now
	}
	return true, one.seen.Sub(one.written) >= seenEvery
}

func (s *sessions) alive(one *session, now time.Time) bool {
	return now.Sub(one.seen) < s.idle && now.Sub(one.begun) < s.lifetime
}

// logOut ends a session, or all that its user has.
func (s *sessions) logOut(one *session, everywhere bool) {
	s.endThose(func(other *session) bool { return other == one || everywhere && other.user == one.user })
}

func (s *sessions) endThose(which func(*session) bool) {
	s.mu.Lock()
	for id, one := range s.byID {
		if which(one) {
			s.end(id)
		}
	}
	s.mu.Unlock()
	s.write()
}

// end removes a session; the caller holds the lock.
func (s *sessions) end(id [sha256.Size]byte) {
	if one := s.byID[id]; one != nil {
		delete(s.byID, id)
		close(one.ended)
	}
}

// sweep removes what has ended and makes room for one more.
func (s *sessions) sweep(now time.Time) {
	var oldest [sha256.Size]byte
	var seen time.Time
	for id, one := range s.byID {
		if !s.alive(one, now) {
			s.end(id)
		} else if seen.IsZero() || one.seen.Before(seen) {
			oldest, seen = id, one.seen
		}
	}
	if len(s.byID) >= maxSessions {
		s.end(oldest)
	}
}

// sessionLine is a session as administrators see it.
type sessionLine struct {
	User        string
	Client      netip.Addr
	Begun, Seen time.Time
	Own         bool
}

// list returns the sessions, the latest use first.
func (s *sessions) list(own *session) []sessionLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepEnded()
	lines := make([]sessionLine, 0, len(s.byID))
	for _, one := range s.byID {
		lines = append(lines, sessionLine{one.user, one.client.Addr(), one.begun, one.seen, one == own})
	}
	slices.SortFunc(lines, func(a, b sessionLine) int { return b.Seen.Compare(a.Seen) })
	return lines
}

func (s *sessions) sweepEnded() {
	now := s.now()
	for id, one := range s.byID {
		if !s.alive(one, now) {
			s.end(id)
		}
	}
}

// leave keeps a notice for the next page.
func (s *sessions) leave(one *session, notice string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if notice != "" && len(one.notices) < 10 {
		one.notices = append(one.notices, notice)
	}
}

// take returns the notices, which are gone then.
func (s *sessions) take(one *session) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := one.notices
	one.notices = nil
	return taken
}

// proves reports whether token is the one of the session's forms.
func (one *session) proves(token string) bool {
	return subtle.ConstantTimeCompare([]byte(one.csrf), []byte(token)) == 1
}

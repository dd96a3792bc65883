package smtpout

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/lru"
	"github.com/sluicemail/sluice/queue"
)

const (
	// maxSessions bounds the TLS sessions that may be taken up again: some KiB each.
	maxSessions = 4000
	// sessionTime is how long one may at most; servers mostly say less.
	sessionTime = 24 * time.Hour
	// verifiedTime is how long it is good that a certificate was verified, when a session is taken up, and unverifiedTime
	// how long it is believed that it could not be.
	verifiedTime, unverifiedTime = time.Hour, time.Minute
)

// sessionKey is what connections have in common that may take up each other's session: the remote, from where it is
// connected to, and what is demanded of it.
type sessionKey struct {
	source       netip.Addr
	target       netip.AddrPort
	host, domain string
	names        string // that the certificate may be for
	policy       string
	security     queue.Security
	requireTLS   bool
}

// session is one that may be taken up.
type session struct {
	state       *tls.ClientSessionState // nil: it has been used, or there was none yet
	leaf        string                  // of the certificates, as it is encoded
	certificate *queue.Certificate      // what was found of it; nil: nothing yet
	until       time.Time               // when it is looked at again
}

// sessions are those of all connections of a Sender. The zero value is usable, concurrently.
type sessions struct {
	mu    sync.Mutex
	known lru.Cache[sessionKey, *session]
}

// slot is the place of a connection among the sessions. It is the tls.ClientSessionCache of that connection alone.
type slot struct {
	all     *sessions
	key     sessionKey
	fresh   bool // it takes none up
	offered bool // it did
}

// slot returns the place of connections to a hop.
func (s *sessions) slot(hop *delivery.Hop, fresh bool) *slot {
	return &slot{all: s, fresh: fresh, key: sessionKey{source: hop.Source, target: hop.Target, host: hop.Host,
		domain: hop.Domain, names: strings.Join(hop.CertNames, " "),
		policy: hop.TLS.Type + " " + hop.TLS.ServerName, security: hop.Security, requireTLS: hop.RequireTLS}}
}

// Get implements tls.ClientSessionCache.
func (s *slot) Get(string) (state *tls.ClientSessionState, ok bool) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	k, known := s.all.known.Get(s.key, time.Now())
	if s.fresh || !known || k.state == nil {
		return nil, false
	}
	s.offered = true
	return k.state, true
}

// Put implements tls.ClientSessionCache. A remote may send as many tickets as it likes: the last one is kept.
func (s *slot) Put(_ string, state *tls.ClientSessionState) {
	s.change(func(k *session) { k.state = state })
}

func (s *slot) change(f func(*session)) {
	now := time.Now()
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	k, known := s.all.known.Get(s.key, now)
	if !known {
		k = new(session)
		s.all.known.Limit = maxSessions
		s.all.known.Put(s.key, k, 1, now.Add(sessionTime))
	}
	f(k)
}

// forget has nobody take up the session again, and reports whether this connection tried to.
func (s *slot) forget() (offered bool) {
	s.change(func(k *session) { *k = session{} })
	return s.offered
}

// verified returns what is known of the certificate of a session that was taken up; nil: it has to be verified anew.
func (s *slot) verified(state *tls.ConnectionState) (known *queue.Certificate) {
	if !state.DidResume || len(state.PeerCertificates) == 0 {
		return nil
	}
	leaf := state.PeerCertificates[0]
	s.change(func(k *session) {
		now := time.Now()
		if k.certificate != nil && now.Before(k.until) && now.Before(leaf.NotAfter) && k.leaf == string(leaf.Raw) {
			known = k.certificate
		}
	})
	return known
}

// note keeps what a certificate was found to be.
func (s *slot) note(state *tls.ConnectionState, found *queue.Certificate) {
	if len(state.PeerCertificates) == 0 {
		return
	}
	good := unverifiedTime
	if found.Verified {
		good = verifiedTime
	}
	leaf := string(state.PeerCertificates[0].Raw)
	s.change(func(k *session) { k.leaf, k.certificate, k.until = leaf, found, time.Now().Add(good) })
}

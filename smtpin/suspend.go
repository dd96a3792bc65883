package smtpin

import (
	"net"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// Suspend has clients that come through a listener turned away with 421 4.3.2 from now on, so that they try again
// later, or lets them in again when on is false. The socket stays open, and sessions under way go on.
func (s *Server) Suspend(policy *Listener, on bool) {
	if on {
		s.suspended.Store(policy, struct{}{})
	} else {
		s.suspended.Delete(policy)
	}
}

// Suspended reports whether clients of a listener are turned away.
func (s *Server) Suspended(policy *Listener) bool {
	_, is := s.suspended.Load(policy)
	return is
}

// turnAway tells a client in place of the greeting to come back later (RFC 5321 §3.8), and closes the connection.
func (s *Server) turnAway(nc net.Conn, policy *Listener, text string) {
	defer nc.Close()
	s.monitor().Observe(&monitor.Event{
		Kind: monitor.ClientRefused, Time: time.Now(), MTA: addrPort(nc.LocalAddr()).Addr(),
		Remote: addrPort(nc.RemoteAddr()),
		Code:   421, Text: text,
	})
	if !policy.ImplicitTLS { // such a client would not understand it
		nc.SetWriteDeadline(time.Now().Add(time.Second))
		wire.ReplyOnce(nc, 421, wire.Status{4, 3, 2}, text)
	}
}

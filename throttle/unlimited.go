package throttle

import "net/netip"

// Unlimited is a Throttler without limits.
var Unlimited Throttler = unlimited{}

type unlimited struct{}

var noLimits = &Limits{}

func (unlimited) Limits(Path) *Limits                   { return noLimits }
func (unlimited) Connect(Path, netip.Addr) (Conn, Wait) { return freeConn{}, Wait{} }
func (unlimited) Observe(Path, netip.Addr, Outcome)     {}
func (unlimited) Changed(func(Path))                    {}

type freeConn struct{}

func (freeConn) Established()    {}
func (freeConn) Send(int64) Wait { return Wait{} }
func (freeConn) Cancel(int64)    {}
func (freeConn) Idle(bool)       {}
func (freeConn) Close()          {}

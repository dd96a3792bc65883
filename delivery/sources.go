package delivery

import (
	"net/netip"
)

// Sources tells from which local addresses mail may leave.
type Sources struct {
	// Local returns the addresses that this machine can send from. Nil: any address that a message names is tried.
	Local func() []netip.Addr
	// Default are used for messages that name none; empty: the system chooses.
	Default []netip.Addr
	// Elsewhere returns the outbox of another instance that has an address which is not here, and "" when none is known
	// to have it. Then awaited says that one may be heard of: the message waits for it, until its time is over; see
	// [Engine.LookElsewhere]. It is asked about the addresses that a message names, and must not block. Nil: there is
	// no other.
	Elsewhere func(netip.Addr) (outbox string, awaited bool)
	// Name returns the EHLO name for an address; nil or "": Engine.Hostname.
	Name func(netip.Addr) string
}

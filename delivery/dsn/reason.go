package dsn

import (
	"strings"

	"github.com/sluicemail/sluice/queue"
)

// reason is why a mail was not delivered, as far as its sender can do something about it. Its text is the key in Texts.
type reason string

const (
	noAddress   reason = "address"     // nobody has this address
	noDomain    reason = "domain"      // nobody has this domain, or it takes no mail
	full        reason = "full"        // the mailbox is full
	disabled    reason = "disabled"    // the mailbox takes no mail
	tooLarge    reason = "size"        // the mail is too large
	loop        reason = "loop"        // the mail goes in circles
	refusedMail reason = "policy"      // the receiver's rules forbid it
	suppressed  reason = "suppressed"  // we were asked not to send to this address
	unreachable reason = "unreachable" // no server of the domain could be talked to
	other       reason = "other"
)

// reasons are all of them.
var reasons = map[reason]bool{noAddress: true, noDomain: true, full: true, disabled: true, tooLarge: true, loop: true,
	refusedMail: true, suppressed: true, unreachable: true, other: true}

// byStatus are the reasons that enhanced status codes give (RFC 3463, and the registry it began), without the class.
var byStatus = map[string]reason{
	"1.0": noAddress, "1.1": noAddress, "1.3": noAddress, "1.6": noAddress, "1.2": noDomain, "1.10": noDomain,
	"2.1": disabled, "2.2": full, "2.3": tooLarge, "3.4": tooLarge, "4.6": loop,
	"4.1": unreachable, "4.2": unreachable, "4.3": unreachable, "4.4": noDomain,
}

// reasonOf returns the reason that a result gives.
func reasonOf(r *queue.Result) reason {
	switch r.State {
	case queue.StateSuppression:
		return suppressed
	case queue.StateConnect, queue.StateIntro, queue.StateHandshake, queue.StateIdle:
		return unreachable
	}
	_, detail, _ := strings.Cut(r.Status, ".")
	if why, ok := byStatus[detail]; ok {
		return why
	}
	switch {
	case strings.HasPrefix(detail, "7."):
		return refusedMail
	case r.State == queue.StateDNS && r.Code >= 500:
		return noDomain
	case r.State == queue.StateDNS, r.Result == queue.Lost, r.Result == queue.Timeout:
		return unreachable
	}
	return other
}

package receivers

import (
	"strings"

	"github.com/sluicemail/sluice/queue"
)

// ofState returns the class of what ended otherwise than with the reply of a receiver to a mail; "" when it is up to
// the rules.
func ofState(r *queue.Result) queue.Class {
	switch r.State {
	case queue.StateSuppression:
		return queue.ClassSuppressed
	case queue.StateProcess, queue.StateRewrite:
		return refusedHere(r)
	case queue.StateStorage, queue.StateResponsive, queue.StatePersonalize, queue.StateBind:
		return queue.ClassFailedHere
	case queue.StateDNS:
		return ofDNS(r)
	case queue.StateConnect, queue.StateHandshake, queue.StateIdle:
		return queue.ClassNetwork
	case queue.StateStartTLS:
		return queue.ClassTLS
	case queue.StateAuthPlain, queue.StateAuthLogin, queue.StateAuthUsername, queue.StateAuthPassword,
		queue.StateAuthCRAM, queue.StateAuthResponse:
		return queue.ClassLogin
	}
	switch {
	case r.Result == queue.Lost, r.Result == queue.Timeout:
		return queue.ClassNetwork
	case r.Result == queue.Invalid && r.Code == 0:
		return queue.ClassProtocol
	}
	return ""
}

// refusedHere is the class of a mail that was never sent.
func refusedHere(r *queue.Result) queue.Class {
	switch {
	case r.Result == queue.Timeout:
		return queue.ClassExpired
	case strings.HasSuffix(r.Status, ".1.3"):
		return queue.ClassAddressUnknown // it is no address
	case r.Result == queue.Invalid, strings.HasSuffix(r.Status, ".6.0"), strings.HasSuffix(r.Status, ".4.4"):
		return queue.ClassFailedHere // there is no mail, or no address that it could leave from
	}
	return queue.ClassRefusedHere
}

// ofDNS is the class of a mail for which no way was found.
func ofDNS(r *queue.Result) queue.Class {
	switch {
	case strings.HasSuffix(r.Status, ".4.6"):
		return queue.ClassLoop // its hosts are ourselves
	case r.Code >= 500:
		return queue.ClassDomainUnknown
	}
	return queue.ClassDNS
}

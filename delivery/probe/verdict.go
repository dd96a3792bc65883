package probe

import (
	"errors"
	"strings"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// Verdict says in one sentence what becomes of a mail at a host, of which this result was found.
func Verdict(m *queue.Message, r *queue.Result) string {
	policy := r.TLSPolicy
	switch {
	case policy != nil && policy.Failure != "" && policy.Mode == "enforce":
		return "Mail waits: the host violates its " + named(policy.Type) + " policy (" + policy.Failure + ": " +
			policy.Reason + ")."
	case r.Status == "5.7.30":
		return "Mail with REQUIRETLS cannot go there: " + strings.TrimPrefix(r.Description, "REQUIRETLS: ") + "."
	case r.State == queue.StateStartTLS && strings.HasPrefix(r.Description, "certificate:"):
		return "Mail waits: security " + string(m.Security) + " needs a certificate that is valid for the domain, and this " +
			"one is not (" + strings.TrimPrefix(r.Description, "certificate: ") + ")."
	case r.State == queue.StateStartTLS:
		return "Mail waits: TLS is needed and cannot be had (" + said(r) + ")."
	case r.State != queue.StateMailFrom && r.State != queue.StateRcptTo:
		return "Mail waits: there is no conversation with the host (" + said(r) + ")."
	case r.Result != queue.Accepted && r.Code/100 == 5:
		return "Mail fails: the host refuses it (" + said(r) + ")."
	case r.Result != queue.Accepted:
		return "Mail waits: the host does not take it now (" + said(r) + ")."
	}
	return "Mail goes" + how(m, r) + "."
}

// nowhere says in one sentence what becomes of a mail that has no host, or no address, to go to.
func nowhere(err error) string {
	if failed, ok := errors.AsType[*delivery.Failure](err); ok && !failed.Temporary {
		return "Mail fails: there is nowhere to send it (" + failed.Result.Description + ")."
	}
	return "Mail waits: where it is to go cannot be found out (" + err.Error() + ")."
}

// how tells how a mail goes that does.
func how(m *queue.Message, r *queue.Result) string {
	policy := r.TLSPolicy
	text := " in clear text"
	switch {
	case r.Cipher == nil:
	case m.RequireTLS:
		text = " over verified TLS, to a host that offers REQUIRETLS"
	case policy != nil && policy.Failure == "" && policy.Mode == "enforce":
		text = " over TLS, as the " + named(policy.Type) + " policy demands"
	case r.Certificate != nil && r.Certificate.Verified:
		text = " over TLS with a certificate that is valid"
	default:
		text = " over TLS with a certificate that nobody vouches for, and nobody demands otherwise"
	}
	if policy != nil && policy.Failure != "" {
		text += ", though the " + named(policy.Type) + " policy is violated (" + policy.Failure +
			"), which is in testing mode"
	}
	return text
}

func named(kind string) string {
	if kind == "dane" {
		return "DANE"
	}
	return "MTA-STS"
}

package delivery

import (
	"context"
	"crypto/x509"
	"net/netip"
)

// TLSPolicies says how connections to the hosts of a route have to be secured, beyond what messages and throttles ask
// for. tlspolicy is the one of DANE (RFC 7672) and MTA-STS (RFC 8461).
type TLSPolicies interface {
	// Host says it of one host of a route, just before a connection is made; it may ask the DNS. The zero TLSPolicy:
	// there is none. An error is a *Failure: nothing may be sent there for now, which Tell of the TLSPolicy, if there is
	// one, wants to hear when mail was to go there.
	Host(ctx context.Context, route *Route, host Host) (TLSPolicy, error)
}

// TLSPolicy is what the owner of a domain or host publishes about connections to it, where that is more than nothing.
// The zero value is no policy.
type TLSPolicy struct {
	// Type is "dane" or "sts", as in results; "": there is no policy.
	Type string
	// Testing has a violation told in the result, and mail go all the same (RFC 8461 §5).
	Testing bool
	// NamesHost says that the MTA-STS policy of the domain names the host, tested or enforced.
	NamesHost bool
	// Waived says that nobody was asked, since the mail says "TLS-Required: No" (RFC 8689 §5).
	Waived bool
	// ServerName is the name asked for in the handshake (SNI); "": that of the host.
	ServerName string
	// Verify judges the certificates of the host, its own first. An error is a *TLSViolation. Nil: any will do, and TLS
	// is still a must (RFC 7672 §2.1.1, unusable records).
	Verify func(chain []*x509.Certificate) error
	// Tell hears how a connection was secured, once for each that got so far. Nil: nobody listens.
	Tell func(TLSSession)
}

// TLSSession is how a connection to an MX host was secured, as reports want to know it (RFC 8460 §4.3).
type TLSSession struct {
	From, To  netip.Addr    // zero: not known
	HELO      string        // what the host called itself
	Violation *TLSViolation // nil: all was well
}

// Enforced reports whether mail must not go where the policy is violated.
func (p *TLSPolicy) Enforced() bool { return p.Type != "" && !p.Testing }

// STSPolicy is the MTA-STS policy that a domain publishes (RFC 8461 §3.2), as far as it concerns routes. It is shared:
// do not change it.
type STSPolicy struct {
	Domain   string
	Testing  bool
	Lines    []string // of its text
	Patterns []string // names that MX hosts may have; "*.example.com" is any one label before it
	// Key is the same for all enforced policies that demand the same of a site: mail under them may share connections.
	Key string
}

// TLSViolation is how a host fails a policy.
type TLSViolation struct {
	Type   string // one of the result types of RFC 8460 §4.3
	Reason string // in words
}

func (v *TLSViolation) Error() string { return v.Type + ": " + v.Reason }

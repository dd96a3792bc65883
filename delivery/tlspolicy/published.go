package tlspolicy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// ErrNoPolicy says that a domain announces no MTA-STS policy.
var ErrNoPolicy = errors.New("no MTA-STS policy")

// Published is the MTA-STS policy of a domain, as its owner wants to see it.
type Published struct {
	Mode string   // "enforce", "testing" or "none"
	MX   []string // patterns of hosts
}

// Allows reports whether the policy names a host, which is in lower case.
func (p *Published) Allows(host string) bool { return p.Mode == string(modeNone) || allows(p.MX, host) }

// Texts looks texts up, with errors as net.Resolver has them.
type Texts interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Fetch gets the policy that a domain announces now, over connections that dial makes; roots nil: those of the system.
// A domain that announces none is [ErrNoPolicy].
func Fetch(ctx context.Context, dns Texts, domain string,
	dial func(ctx context.Context, network, address string) (net.Conn, error), roots *x509.CertPool) (*Published, error) {
	texts, err := dns.LookupTXT(ctx, "_mta-sts."+domain)
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
		return nil, ErrNoPolicy
	} else if err != nil {
		return nil, err
	}
	if parseRecord(texts) == "" {
		return nil, fmt.Errorf("the record makes no sense: %.100q", strings.Join(texts, " "))
	}
	f := newFetcher(dial, roots, time.Now)
	defer f.client.CloseIdleConnections()
	found, err := f.policy(ctx, domain)
	if err != nil {
		return nil, err
	}
	return &Published{Mode: string(found.Mode), MX: found.Patterns}, nil
}

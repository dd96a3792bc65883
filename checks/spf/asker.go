package spf

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/sluicemail/sluice/checks"
)

// asker stands between the evaluation and the resolver: it asks for no name that cannot be, checks records before they
// count, and brings every failure into one of two forms: there is none, or could not ask.
type asker struct {
	resolver checks.Bounded
	network  string // "ip4", or "ip" for both
	client   netip.Addr
	macros   macros
	names    *names // of the client; nil: not asked for
	counted  bool   // asking for them was
}

// newAsker returns one for the evaluation of a client's mail.
func newAsker(resolver checks.Bounded, client netip.Addr, id identity) *asker {
	a := &asker{resolver: resolver, network: "ip4", client: client, macros: macros{identity: id, client: client}}
	if client.Is6() {
		a.network = "ip" // exists wants A records for every client (§5.7)
	}
	return a
}

// maxRecord is how long a policy may be. The longest useful ones have about a thousand octets; §3.4 advises fewer than
// 450.
const maxRecord = 4096

// maxMacros is how many macros a policy may use; useful ones have a handful.
const maxMacros = 100

func (a *asker) LookupTXT(ctx context.Context, name string) ([]string, error) {
	name, err := target(name)
	if err != nil {
		return nil, err
	}
	texts, err := a.resolver.LookupTXT(ctx, name)
	if err != nil {
		return nil, failure(name, err)
	}
	var records []string
	for _, text := range texts {
		if isPolicy(text) {
			records = append(records, text)
		}
	}
	if len(records) == 1 {
		if err := checkRecord(records[0]); err != nil {
			return nil, &recordError{name, err}
		}
		records[0] = a.plainRecord(ctx, records[0], name)
	}
	return records, nil
}

func (a *asker) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	name, err := target(name)
	if err != nil {
		return nil, err
	}
	mxs, err := a.resolver.LookupMX(ctx, name)
	if err != nil && len(mxs) == 0 { // net.Resolver gives records that make sense along with the error
		return nil, failure(name, err)
	}
	return mxs, nil
}

func (a *asker) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	if a.names != nil {
		return a.names.listed, a.names.err
	}
	names, err := a.resolver.LookupAddr(ctx, addr)
	if err != nil && len(names) == 0 {
		return nil, failure(addr, err)
	}
	disguised := make([]string, len(names))
	for i, name := range names {
		disguised[i] = disguise.Replace(name) // as the names in records are, which they are compared with
	}
	return disguised, nil
}

func (a *asker) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	if a.names != nil {
		if known, ok := a.names.addresses[host]; ok {
			return known, nil
		}
	}
	host, err := target(host)
	if err != nil {
		return nil, err
	}
	addrs, err := a.resolver.LookupNetIP(ctx, a.network, host)
	if err != nil {
		return nil, failure(host, err)
	}
	ips := make([]net.IPAddr, len(addrs))
	for i, addr := range addrs {
		ips[i].IP = net.IP(addr.Unmap().AsSlice())
	}
	return ips, nil
}

// target returns the name to ask for: without a dot at its end, and without its first labels when it is too long
// (§7.3). A name that cannot be in the DNS is one that is not there (§4.8).
func target(name string) (string, error) {
	name = strings.TrimSuffix(reveal.Replace(name), ".")
	for len(name) > 253 {
		dot := strings.IndexByte(name, '.')
		if dot < 0 {
			break
		}
		name = name[dot+1:]
	}
	if !canAsk(name) {
		return "", &net.DNSError{Err: "no such name", Name: name, IsNotFound: true}
	}
	return name, nil
}

// failure brings an error of a resolver into the form that the evaluation understands.
func failure(name string, err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound && !dns.IsTemporary && !dns.IsTimeout {
		return &net.DNSError{UnwrapErr: err, Err: dns.Err, Name: name, IsNotFound: true}
	}
	return &net.DNSError{UnwrapErr: err, Err: "could not ask", Name: name, IsTemporary: true}
}

// recordError is a policy that makes no sense.
type recordError struct {
	domain string
	cause  error
}

func (e *recordError) Error() string { return "record of " + e.domain + ": " + e.cause.Error() }

func (e *recordError) Unwrap() error { return e.cause }

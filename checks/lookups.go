package checks

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

// Resolver is what checks ask of the DNS. *net.Resolver is one. Errors are *net.DNSError, in which IsNotFound tells
// "there is none" from "could not ask".
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	// LookupNetIP returns addresses; network is "ip", "ip4" or "ip6".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// SecureResolver is the add-on of a resolver that can tell which answers were validated by DNSSEC.
type SecureResolver interface {
	// LookupTXTSecure is LookupTXT; secure says that a validating server that can be trusted vouches for the answer.
	LookupTXTSecure(ctx context.Context, name string) (texts []string, secure bool, err error)
}

// ErrTooManyLookups is what a [Bounded] resolver says when the budget of a mail is used up.
var ErrTooManyLookups = errors.New("too many DNS look-ups for one mail")

// Bounded is a resolver that takes each look-up from the budget that [WithLookups] put into its context, so that no
// mail can provoke a storm of them; answers from a cache count too. Without a budget in the context there is no limit.
type Bounded struct {
	Resolver Resolver // nil: net.DefaultResolver
}

// Bound makes a resolver bounded; one that is so already stays as it is, and nil is net.DefaultResolver.
func Bound(r Resolver) Bounded {
	if b, ok := r.(Bounded); ok {
		return b
	}
	return Bounded{Resolver: r}
}

type budgetKey struct{}

// WithLookups returns a context in which all look-ups together may be n.
func WithLookups(ctx context.Context, n int) context.Context {
	budget := new(atomic.Int64)
	budget.Store(int64(n))
	return context.WithValue(ctx, budgetKey{}, budget)
}

// take takes one look-up, or two where a name has addresses of both kinds, from the budget.
func (b Bounded) take(ctx context.Context, name string, n int64) (Resolver, error) {
	if budget, ok := ctx.Value(budgetKey{}).(*atomic.Int64); ok && budget.Add(-n) < 0 {
		return nil, &net.DNSError{UnwrapErr: ErrTooManyLookups, Err: ErrTooManyLookups.Error(), Name: name, IsTemporary: true}
	}
	if b.Resolver == nil {
		return net.DefaultResolver, nil
	}
	return b.Resolver, nil
}

// LookupTXT takes one look-up.
func (b Bounded) LookupTXT(ctx context.Context, name string) ([]string, error) {
	r, err := b.take(ctx, name, 1)
	if err != nil {
		return nil, err
	}
	return r.LookupTXT(ctx, name)
}

// LookupTXTSecure takes one look-up. Of a resolver that is no [SecureResolver] no answer is secure.
func (b Bounded) LookupTXTSecure(ctx context.Context, name string) (texts []string, secure bool, err error) {
	r, err := b.take(ctx, name, 1)
	if err != nil {
		return nil, false, err
	}
	if s, ok := r.(SecureResolver); ok {
		return s.LookupTXTSecure(ctx, name)
	}
	texts, err = r.LookupTXT(ctx, name)
	return texts, false, err
}

// LookupMX takes one look-up.
func (b Bounded) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	r, err := b.take(ctx, name, 1)
	if err != nil {
		return nil, err
	}
	return r.LookupMX(ctx, name)
}

// LookupAddr takes one look-up.
func (b Bounded) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	r, err := b.take(ctx, addr, 1)
	if err != nil {
		return nil, err
	}
	return r.LookupAddr(ctx, addr)
}

// LookupIPAddr takes two look-ups: for A and for AAAA.
func (b Bounded) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	r, err := b.take(ctx, host, 2)
	if err != nil {
		return nil, err
	}
	return r.LookupIPAddr(ctx, host)
}

// LookupNetIP takes one look-up, or two when the network is "ip".
func (b Bounded) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	n := int64(1)
	if network == "ip" {
		n = 2
	}
	r, err := b.take(ctx, host, n)
	if err != nil {
		return nil, err
	}
	return r.LookupNetIP(ctx, network, host)
}

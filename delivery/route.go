package delivery

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"strconv"

	"github.com/sluicemail/sluice/queue"
)

// Router finds where mail for a domain goes. Package mx has the Router that asks the DNS.
type Router interface {
	// Cached returns what is known without asking anybody: ok is false when that is nothing or out of date. It never
	// blocks and takes no lock that a look-up holds. A cached failure is returned as err.
	Cached(domain string) (route *Route, err error, ok bool)
	// Route finds the hosts for a domain. An error is a *RouteError.
	Route(ctx context.Context, domain string) (*Route, error)
	// Addresses returns the addresses of a host, in the order in which to try them. An error is a *RouteError.
	Addresses(ctx context.Context, host Host) ([]netip.Addr, error)
}

// Route is where mail for a domain goes. It is shared: do not change it.
type Route struct {
	// Site names all domains that lead to the same hosts: the first domain it was met under, lower case.
	Site string
	// Domain is the domain that the route was found for; "" where it is not for one.
	Domain string
	// Hosts are in order of preference; equal ones are to be shuffled for each connection.
	Hosts []Host
	// Secure says that a trusted resolver validated the MX answer (AD).
	Secure bool
	// STS is the MTA-STS policy that the domain publishes; nil: none.
	STS *STSPolicy
	// Relay marks a configured smarthost, route or sink instead of the domain's own hosts.
	Relay bool
	// Credentials log in at a relay; nil: none.
	Credentials *Credentials
}

// Vouches reports whether a host, of which this policy was found, is certain to be one of the domain's: the MX records
// were validated, the MTA-STS policy names it, or none were needed to find it (RFC 8689 §4.2.1).
func (r *Route) Vouches(host Host, policy *TLSPolicy) bool {
	return r.Relay || r.Secure || policy.NamesHost || host.Name == r.Domain
}

// Host is one target of a route.
type Host struct {
	// Name is in lower case, without a trailing dot, or an address in text form. Empty: it needs no address, Local says
	// all.
	Name       string
	Preference uint16
	Port       int // zero: 25
	// AllowPrivate lets it have private, loopback or link-local addresses; relays do.
	AllowPrivate bool
	// Local says how mail gets into a mailbox here: "lmtp://host:port", "lmtp+unix:///socket" or
	// "maildir:///path/{user}". Empty: the host takes SMTP.
	Local string
}

// RouteError says why there is no route.
type RouteError struct {
	Domain    string // or host
	Code      int    // reply code that fits: 550, 556, 451
	Status    string // enhanced: "5.1.10" for a null MX (RFC 7505), "5.1.2" for no such domain, "4.4.3" for no answer
	Reason    string
	Permanent bool
	Cause     error
}

func (e *RouteError) Error() string { return e.Domain + ": " + e.Reason }

// Unwrap returns the cause.
func (e *RouteError) Unwrap() error { return e.Cause }

// Diverter is an add-on of a Router that has its way with routes which it is not asked for.
type Diverter interface {
	// Divert changes the hosts of a route to the relay that a message names, where all mail is to go elsewhere.
	Divert(route *Route)
}

// relayRoute is the route of a message that names its own relay.
func (c *core) relayRoute(s *queue.Smarthost) *Route {
	route := smarthostRoute(s)
	if d, ok := c.router.(Diverter); ok {
		d.Divert(route)
	}
	return route
}

// smarthostRoute is the route of a message that names its own relay.
func smarthostRoute(s *queue.Smarthost) *Route {
	port := cmp.Or(max(s.Port, 0), 25)
	route := &Route{
		Site:  net.JoinHostPort(s.Hostname, strconv.Itoa(port)),
		Hosts: []Host{{Name: s.Hostname, Port: port, AllowPrivate: true}},
		Relay: true,
	}
	if s.Username != "" {
		route.Credentials = &Credentials{Username: s.Username, Password: s.Password, Plaintext: s.Plaintext}
	}
	return route
}

package mx

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/delivery"
)

// Relay is a host that takes mail for others: a smarthost, a route's target, a sink. A route may also lead to
// mailboxes.
type Relay struct {
	// Host is a name or an address. Empty, or 0.0.0.0 or ::, means: no relay.
	Host string
	// Port is where it listens. Zero: 25.
	Port int
	// Local says how mail gets into a mailbox here, as in delivery.Host; only one over TCP has a Host and a Port. Empty:
	// by SMTP.
	Local string
	// Credentials log in there. Nil: no AUTH.
	Credentials *delivery.Credentials
}

// off reports whether there is no relay.
func (r Relay) off() bool {
	if r.Host == "" {
		return r.Local == ""
	}
	addr, err := netip.ParseAddr(r.Host)
	return err == nil && addr.IsUnspecified()
}

// host returns the relay as a host of a route.
func (r Relay) host() delivery.Host {
	name := strings.TrimSuffix(strings.ToLower(r.Host), ".")
	if bare, ok := strings.CutPrefix(name, "["); ok {
		name = strings.TrimPrefix(strings.TrimSuffix(bare, "]"), "ipv6:")
	}
	return delivery.Host{Name: name, Port: r.Port, AllowPrivate: true, Local: r.Local}
}

// site returns the name under which all mail to the relay is one site.
func (r Relay) site() string {
	h := r.host()
	if h.Local != "" {
		return h.Local
	}
	if h.Port == 0 || h.Port == 25 {
		return h.Name
	}
	return net.JoinHostPort(h.Name, strconv.Itoa(h.Port))
}

// route returns the route of all mail to the relay.
func (r Relay) route() *delivery.Route {
	return &delivery.Route{Site: r.site(), Hosts: []delivery.Host{r.host()}, Relay: true, Credentials: r.Credentials}
}

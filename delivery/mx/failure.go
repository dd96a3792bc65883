package mx

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/resolver"
)

// failure is a RouteError and for how long to remember it.
type failure struct {
	*delivery.RouteError
	expires   time.Time
	cacheable bool
}

func permanent(domain string, code int, status, reason string, cause error) *delivery.RouteError {
	return &delivery.RouteError{Domain: domain, Code: code, Status: status, Reason: reason, Permanent: true, Cause: cause}
}

func temporary(domain, reason string, cause error) *delivery.RouteError {
	return &delivery.RouteError{Domain: domain, Code: 451, Status: "4.4.3", Reason: reason, Cause: cause}
}

// nullMX: the domain says that it takes no mail (RFC 7505 §4.2).
func nullMX(domain string) *delivery.RouteError {
	return permanent(domain, 556, "5.1.10", "the domain does not accept mail (null MX)", nil)
}

// loops: RFC 3463 §3.5, X.4.6.
func loops(domain string) *delivery.RouteError {
	return permanent(domain, 554, "5.4.6", "mail for the domain loops back to this server", nil)
}

// badDomain: what stands to the right of the @ is no domain.
func badDomain(domain string) *delivery.RouteError {
	if len(domain) > 300 {
		domain = domain[:300] + "..."
	}
	return permanent(fmt.Sprintf("%q", domain), 550, "5.1.3", "not a domain, or not one that the DNS can have", nil)
}

// lookupFailure translates an error of the resolver. what is asked about: a domain or a host.
func lookupFailure(name, what string, err error) *failure {
	var e *resolver.Error
	if !errors.As(err, &e) {
		return &failure{RouteError: temporary(name, "the DNS could not be asked", err), cacheable: true}
	}
	fail := &failure{expires: e.Expires, cacheable: e.Kind != resolver.Stopped}
	switch e.Kind {
	case resolver.NXDomain:
		fail.RouteError = permanent(name, 550, "5.1.2", "the "+what+" does not exist", err)
	case resolver.NoData:
		fail.RouteError = permanent(name, 550, "5.1.2", "the "+what+" has no addresses", err)
	case resolver.BadName:
		fail.RouteError = badDomain(name)
	case resolver.Loop:
		// A mistake of the domain's owner, who may mend it while the mail waits.
		fail.RouteError = temporary(name, "the "+what+"'s CNAME records go in circles", err)
	case resolver.Timeout:
		fail.RouteError = temporary(name, "the DNS did not answer about the "+what, err)
	case resolver.Stopped:
		fail.RouteError = temporary(name, "the DNS look-up of the "+what+" was given up", err)
	default:
		fail.RouteError = temporary(name, "the DNS look-up of the "+what+" failed: "+e.Kind.String(), err)
	}
	return fail
}

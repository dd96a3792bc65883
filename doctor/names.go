package doctor

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/reverse"
)

// checkNames asks what the sending addresses are called. Receivers compare PTR, the name of EHLO and the address (RFC
// 1912 §2.1).
func checkNames(r *round) {
	each(r.Sources, func(s Source) {
		where := s.IP.String()
		naming, err := reverse.LookUp(r.ctx, r.Resolver, s.IP)
		switch {
		case err != nil:
			r.unknown(where, err)
			return
		case len(naming.Names) == 0:
			r.fail("no-ptr", where, "the address has no name in the DNS (PTR)",
				"have who gave you the address publish its host name, such as "+s.Name)
		case !naming.Back:
			r.fail("ptr-mismatch", where, "its name "+naming.Names[0]+" does not lead back to it",
				"publish an A or AAAA record of "+naming.Names[0]+" with "+where)
		}
		r.checkGreeting(s, naming)
	})
}

// checkGreeting looks at the name of EHLO, which must be that of a host (RFC 5321 §4.1.1.1).
func (r *round) checkGreeting(s Source, naming reverse.Naming) {
	where, name := s.IP.String(), strings.ToLower(strings.TrimSuffix(s.Name, "."))
	if !hostName(name) {
		r.fail("helo-invalid", where, "it says "+quoted(s.Name)+" in EHLO, which is no name that others can look up",
			"set smtp-hostname, or the name of the address (console: MTA IPs), to its host name")
		return
	}
	addresses, err := r.Resolver.LookupNetIP(r.ctx, "ip", name)
	switch {
	case r.missing(name, err):
		r.fail("helo-unresolved", where, "it says "+name+" in EHLO, and that name has no address",
			"publish an A or AAAA record of "+name+" with "+where)
	case err != nil:
	case !slices.ContainsFunc(addresses, func(a netip.Addr) bool { return a.Unmap() == s.IP.Unmap() }):
		r.warn("helo-elsewhere", where, "it says "+name+" in EHLO, and that name leads to another address",
			"publish an A or AAAA record of "+name+" with "+where+", or let the address say its own name")
	case naming.Back && !slices.Contains(naming.Names, name):
		r.note("helo-not-ptr", where, "it says "+name+" in EHLO, and the DNS calls it "+naming.Names[0],
			"let both be the same: some receivers mistrust the difference")
	}
}

// hostName reports whether a name may be that of a host on the internet.
func hostName(name string) bool {
	return strings.Contains(name, ".") && addr.ValidDomain(name, 0) && name[0] != '[' &&
		!strings.HasSuffix(name, ".local") && !strings.HasSuffix(name, ".localdomain")
}

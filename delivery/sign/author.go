package sign

import (
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
)

// authorDomain returns the domain of the first address in the first From field, folded, and whether there is such a
// field.
func authorDomain(header []byte) (domain string, found bool) {
	if mailheader.Headless(header) {
		return "", false
	}
	f, ok := mailheader.Find(header, "from")
	if !ok {
		return "", false
	}
	var room [1][]byte
	for _, address := range mailheader.AppendAddresses(room[:0], f.Value(), 1) {
		domain = addr.Domain(string(address))
	}
	return domain, true
}

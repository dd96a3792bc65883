package spf

import (
	"context"
	"net"
	"strings"
)

// maxNames is how many names of a client are looked at (§4.6.4).
const maxNames = 10

// unknown stands for the name of a client that has none (§7.3).
const unknown = "unknown"

// names are those of the client, asked for once.
type names struct {
	listed    []string
	err       error
	addresses map[string][]net.IPAddr
	valid     []string // names that have the client's address
}

// namesOf asks for the names of the client, and for the addresses of each (§5.5). A name that a macro cannot be
// replaced by is no valid one.
func (a *asker) namesOf(ctx context.Context) *names {
	n := &names{addresses: map[string][]net.IPAddr{}}
	if n.listed, n.err = a.LookupAddr(ctx, a.client.String()); n.err != nil {
		return n
	}
	n.listed = n.listed[:min(len(n.listed), maxNames)]
	for _, name := range n.listed {
		addresses, err := a.LookupIPAddr(ctx, name)
		if err != nil {
			continue
		}
		n.addresses[name] = addresses
		for _, address := range addresses {
			if address.IP.Equal(a.client.AsSlice()) && isPlain(name) {
				n.valid = append(n.valid, strings.ToLower(strings.TrimSuffix(name, ".")))
				break
			}
		}
	}
	return n
}

// validated returns the name that %{p} stands for: the domain itself if it is a valid one of the client, or a name
// below it, or any.
func (n *names) validated(domain string) string {
	best, domain := unknown, strings.ToLower(domain)
	for _, name := range n.valid {
		switch {
		case name == domain:
			return name
		case strings.HasSuffix(name, "."+domain) && !strings.HasSuffix(best, "."+domain), best == unknown:
			best = name
		}
	}
	return best
}

// isPlain reports whether a name has letters, digits, hyphens and underscores only.
func isPlain(name string) bool {
	return strings.IndexFunc(name, func(c rune) bool {
		return c > '~' || !isLetter(byte(c)) && !isDigit(byte(c)) && c != '-' && c != '_' && c != '.'
	}) < 0
}

package mx

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Routes say which domains go to which relay. They are read-only once made. A nil *Routes has none.
//
// In a file there is one route a line; blank lines and those that begin with # are skipped:
//
//	example.org:relay.example.net:2525   this domain, to that host and port
//	example.org:relay.example.net        port 25
//	.example.org:192.0.2.1               domains below example.org, not itself
//	*.example.*:[2001:db8::1]:26         wildcards: * is any text, ? any character
//	.example.org:                        empty relay: by MX
//	:relay.example.net                   all other domains
//	example.org:lmtp://127.0.0.1:24      mailboxes: by LMTP to the server that has them; without a port, 24
//	example.org:lmtp+unix:///run/lmtp    the same over a socket of the file system
//	example.org:maildir:///mail/{user}   into Maildirs; package maildir has the rest
//
// The most specific one counts: the domain itself, then the longest of its parents, then wildcards in the order of the
// file, then the route for all. Of two with the same pattern the later one counts.
type Routes struct {
	exact     map[string]Relay
	parents   map[string]Relay // without the leading dot
	wildcards []wildcardRoute
	all       *Relay
}

type wildcardRoute struct {
	pattern string
	relay   Relay
}

// maxRoutesLine is longer than any line that makes sense.
const maxRoutesLine = 4096

// ReadRoutes reads the file at path.
func ReadRoutes(path string) (*Routes, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ParseRoutes(file, path)
}

// ParseRoutes reads routes; name stands for the source in errors, which tell the line and what was expected.
func ParseRoutes(r io.Reader, name string) (*Routes, error) {
	routes := new(Routes)
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, maxRoutesLine), maxRoutesLine)
	number := 0
	for scanner.Scan() {
		number++
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := routes.parseLine(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, number+1, err)
	}
	return routes, nil
}

func (r *Routes) parseLine(line string) error {
	pattern, target, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("%q: expected domain:relay:port", line)
	}
	relay, err := parseRelay(strings.TrimSpace(target))
	if err != nil {
		return err
	}
	return r.Add(strings.TrimSpace(pattern), relay)
}

// parseRelay reads "host", "host:port", "[2001:db8::1]:port", the URL of mailboxes, or nothing.
func parseRelay(text string) (Relay, error) {
	if strings.Contains(text, "://") {
		return parseLocal(text)
	}
	var relay Relay
	port := ""
	if strings.HasPrefix(text, "[") {
		inner, rest, ok := strings.Cut(text[1:], "]")
		addr, err := netip.ParseAddr(inner)
		if !ok || err != nil || rest != "" && rest[0] != ':' {
			return relay, fmt.Errorf("relay %q: expected an address in the brackets, then nothing or :port", text)
		}
		relay.Host = addr.String()
		port = strings.TrimPrefix(rest, ":")
	} else {
		relay.Host, port, _ = strings.Cut(text, ":")
		if relay.Host != "" && !validHost(relay.Host) {
			return relay, fmt.Errorf("relay %q: expected a host name or address (IPv6 in brackets)", text)
		}
	}
	if port == "" {
		return relay, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return relay, fmt.Errorf("port %q of relay %q: expected a number from 1 to 65535", port, text)
	}
	if relay.Host == "" {
		return relay, fmt.Errorf("relay %q: a port without a host", text)
	}
	relay.Port = int(n)
	return relay, nil
}

func validHost(host string) bool {
	name, ok := normalDomain(host)
	return ok && !strings.ContainsAny(name, "[]*?:/,;#\"'()<>") && !strings.Contains(name, "..") && name[0] != '.'
}

// NewRelay returns the relay with a host name or address, in brackets or not, and a port; zero is 25. Without a host it
// is the zero Relay. In place of the host may stand the URL of mailboxes, which has its port in itself.
func NewRelay(host string, port int64) (Relay, error) {
	host = strings.TrimSpace(host)
	if strings.Contains(host, "://") {
		if port != 0 {
			return Relay{}, fmt.Errorf("port %d: expected none, or the port within the URL, lmtp://host:port", port)
		}
		return parseLocal(host)
	}
	if port < 0 || port > 65535 {
		return Relay{}, fmt.Errorf("port %d: expected a number from 1 to 65535", port)
	}
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil && ip.Zone() == "" {
		return Relay{Host: ip.Unmap().String(), Port: int(port)}, nil
	}
	switch {
	case host == "" && port != 0:
		return Relay{}, fmt.Errorf("port %d: a port without a host", port)
	case host != "" && !validHost(host):
		return Relay{}, fmt.Errorf("relay %q: expected a host name or address", host)
	}
	return Relay{Host: host, Port: int(port)}, nil
}

// Over returns routes in which those of r come before those of others: of two with the same pattern r's counts, and r's
// wildcards are looked at first. A nil *Routes has none.
func (r *Routes) Over(others *Routes) *Routes {
	if r == nil {
		return others
	}
	if others == nil {
		return r
	}
	both := &Routes{exact: maps.Clone(others.exact), parents: maps.Clone(others.parents), all: others.all}
	for name, relay := range r.exact {
		put(&both.exact, name, relay)
	}
	for name, relay := range r.parents {
		put(&both.parents, name, relay)
	}
	both.wildcards = slices.Concat(r.wildcards, others.wildcards)
	if r.all != nil {
		both.all = r.all
	}
	return both
}

// Add adds a route; pattern is as in the file, and a zero relay means: by MX.
func (r *Routes) Add(pattern string, relay Relay) error {
	switch {
	case pattern == "":
		r.all = &relay
	case strings.ContainsAny(pattern, "*?"):
		pattern = strings.ToLower(pattern)
		same := func(w wildcardRoute) bool { return w.pattern == pattern }
		if i := slices.IndexFunc(r.wildcards, same); i >= 0 {
			r.wildcards[i].relay = relay
		} else {
			r.wildcards = append(r.wildcards, wildcardRoute{pattern, relay})
		}
	default:
		bare, parent := strings.CutPrefix(pattern, ".")
		name, ok := normalDomain(bare)
		if !ok || strings.HasPrefix(name, ".") || strings.Contains(name, "..") {
			return fmt.Errorf("domain %q: expected a domain, .domain, a pattern with * or ?, or nothing", pattern)
		}
		if parent {
			put(&r.parents, name, relay)
		} else {
			put(&r.exact, name, relay)
		}
	}
	return nil
}

func put(m *map[string]Relay, name string, relay Relay) {
	if *m == nil {
		*m = make(map[string]Relay)
	}
	(*m)[name] = relay
}

// Find returns the relay for a domain (lower case, A-labels). ok is false when no route concerns it; a zero relay
// means: by MX.
func (r *Routes) Find(domain string) (relay Relay, ok bool) {
	if r == nil {
		return Relay{}, false
	}
	if relay, ok = r.exact[domain]; ok {
		return relay, true
	}
	if len(r.parents) > 0 {
		for rest := domain; ; {
			if _, rest, ok = strings.Cut(rest, "."); !ok {
				break
			}
			if relay, ok = r.parents[rest]; ok {
				return relay, true
			}
		}
	}
	for _, w := range r.wildcards {
		if matchWildcard(w.pattern, domain) {
			return w.relay, true
		}
	}
	if r.all != nil {
		return *r.all, true
	}
	return Relay{}, false
}

// matchWildcard matches * with any text and ? with any one character, in time proportional to the product of the
// lengths.
func matchWildcard(pattern, text string) bool {
	p, t := 0, 0
	star, mark := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

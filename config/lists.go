package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RangePort is a range of addresses, or one port of it.
type RangePort struct {
	Prefix netip.Prefix
	Port   int // 0: every port
}

// String returns "192.168.0.0/16" or "192.168.0.30/32:80".
func (r RangePort) String() string {
	switch {
	case r.Port == 0:
		return r.Prefix.String()
	case r.Prefix.Addr().Is6():
		return "[" + r.Prefix.String() + "]:" + strconv.Itoa(r.Port)
	}
	return r.Prefix.String() + ":" + strconv.Itoa(r.Port)
}

// list makes the type of lists whose entries are read by one. Entries of equal text are kept once.
func list[T comparable](kind, want string, split func(string) []string, one func(string) (T, error),
	text func(T) string) codec[[]T] {
	return codec[[]T]{kind: kind, want: want, blank: true,
		parse: func(s string) ([]T, error) {
			var all []T
			for _, field := range split(s) {
				v, err := one(field)
				if err != nil {
					return nil, fmt.Errorf("not %q", cut(field))
				}
				if !slices.Contains(all, v) {
					all = append(all, v)
				}
			}
			return all, nil
		},
		text: func(all []T) string { return join(all, text) }}
}

// join writes the entries of a list with commas.
func join[T any](all []T, text func(T) string) string {
	var b strings.Builder
	for i, v := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text(v))
	}
	return b.String()
}

// byCommas splits at commas, drops blanks around entries, and empty entries.
func byCommas(s string) []string { return fields(s, func(r rune) bool { return r == ',' }) }

// bySeparators splits at commas, semicolons and blanks.
func bySeparators(s string) []string {
	return fields(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\t' })
}

func fields(s string, at func(rune) bool) []string {
	all := strings.FieldsFunc(s, at)
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// texts is a comma list.
func texts() codec[[]string] {
	return list("comma list", "a list with commas", byCommas, plain().parse, asIs)
}

// jsonPointers is a list of JSON pointers.
func jsonPointers() codec[[]string] {
	return list("JSON pointers", "JSON pointers with blanks or commas between, such as results/*/description", bySeparators,
		plain().parse, asIs)
}

// domains is a comma list of DNS names.
func domains() codec[[]string] {
	return list("comma list", "domain names with commas", bySeparators, host().parse, asIs)
}

// paths is a list of files. Names may hold blanks. An entry may be there twice: it belongs to one at the same place of
// another list.
func paths() codec[[]string] {
	one := path()
	return codec[[]string]{kind: "paths", want: "paths of files with , or ; between", blank: true,
		text: func(all []string) string { return join(all, one.text) },
		parse: func(s string) ([]string, error) {
			var all []string
			for _, field := range fields(s, func(r rune) bool { return r == ',' || r == ';' }) {
				name, err := one.parse(field)
				if err != nil {
					return nil, fmt.Errorf("not %q", cut(field))
				}
				all = append(all, name)
			}
			return all, nil
		}}
}

// someOf is a comma list of words out of a few.
func someOf(words ...string) codec[[]string] {
	return list("comma list", "any of "+names(words)+", with commas", bySeparators,
		func(s string) (string, error) { return pick(words, s) }, asIs)
}

// notify is the NOTIFY parameter of RFC 3461 §4.1, where NEVER stands alone.
func notify() codec[[]string] {
	c := someOf("FAILURE", "DELAY", "SUCCESS", "NEVER")
	parse := c.parse
	c.want += "; NEVER stands alone"
	c.parse = func(s string) ([]string, error) {
		all, err := parse(s)
		if err == nil && len(all) > 1 && slices.Contains(all, "NEVER") {
			return nil, errValue
		}
		return all, err
	}
	return c
}

// intervals is a list of durations in seconds, none of them zero. Equal entries mean something here.
func intervals() codec[[]time.Duration] {
	one := seconds(time.Second)
	return codec[[]time.Duration]{kind: "seconds, with commas",
		want: "seconds with commas, such as 600,600,1800; each at least 1",
		text: func(all []time.Duration) string { return join(all, one.text) },
		parse: func(s string) ([]time.Duration, error) {
			var all []time.Duration
			for _, field := range bySeparators(s) {
				d, err := one.parse(field)
				if err != nil {
					return nil, fmt.Errorf("not %q", cut(field))
				}
				all = append(all, d)
			}
			if all == nil {
				return nil, errValue
			}
			return all, nil
		}}
}

// highestPort is the last TCP port.
const highestPort = 65535

// port is one TCP port.
func port() codec[int] {
	c := number(0, highestPort)
	c.kind, c.want = "port", "a port from 0 to 65535"
	return c
}

// optionalPort is a port whose zero means none.
func optionalPort() codec[int] {
	c := port()
	c.want += "; 0: none"
	return c
}

// ports is a list of ports and ranges of ports.
func ports() codec[[]int] {
	return codec[[]int]{kind: "port list", want: "ports from 0 to 65535, with commas and ranges: 25,2525,1024-1026",
		blank: true,
		parse: parsePorts, text: portsText}
}

func parsePorts(s string) ([]int, error) {
	var all []int
	var seen [highestPort + 1]bool
	for _, field := range bySeparators(s) {
		low, high, isRange := strings.Cut(field, "-")
		if !isRange {
			high = low
		}
		first, err1 := port().parse(low)
		last, err2 := port().parse(high)
		if err1 != nil || err2 != nil || first > last || isRange && first == 0 {
			return nil, fmt.Errorf("not %q", cut(field))
		}
		for n := first; n <= last; n++ {
			if !seen[n] {
				seen[n] = true
				all = append(all, n)
			}
		}
	}
	return all, nil
}

// portsText writes runs of three and more as a range.
func portsText(all []int) string {
	var parts []string
	for i := 0; i < len(all); {
		end := i
		for end+1 < len(all) && all[end+1] == all[end]+1 && all[i] > 0 {
			end++
		}
		if end-i >= 2 {
			parts = append(parts, strconv.Itoa(all[i])+"-"+strconv.Itoa(all[end]))
			i = end + 1
			continue
		}
		parts = append(parts, strconv.Itoa(all[i]))
		i++
	}
	return strings.Join(parts, ",")
}

// ips is a list of addresses.
func ips() codec[[]netip.Addr] {
	return list("IP list", "IP addresses with ; or , between", bySeparators, parseAddr, netip.Addr.String)
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(unbracket(s))
	if err != nil || !isZone(a.Zone()) {
		return netip.Addr{}, errValue
	}
	return a.Unmap(), nil
}

// unbracket takes the brackets off an IPv6 address or range.
func unbracket(s string) string {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' && strings.Contains(s, ":") {
		return s[1 : len(s)-1]
	}
	return s
}

// isZone reports whether s could be the name of an interface, or is none: netip takes any text for one.
func isZone(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	})
}

// ranges is a list of address ranges. Bits beyond the prefix length are cleared.
func ranges() codec[[]netip.Prefix] {
	return list("IP range list", "IP addresses and ranges with ; or , between: 192.168.0.0/16, 1.2.3.4, fd00::/8",
		bySeparators,
		parseRange, netip.Prefix.String)
}

func parseRange(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := parseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, errValue
		}
		return a.Prefix(a.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, err
	}
	if p.Addr().Is4In6() {
		// ::ffff:1.2.3.0/120 is 1.2.3.0/24: clients are compared without the mapping.
		if p.Bits() < 96 {
			return p, errValue
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// rangePorts is a list of ranges, each of which may name a port.
func rangePorts() codec[[]RangePort] {
	return list("IP range list",
		"IP addresses and ranges with ; or , between, each with a port or without: 10.0.0.0/8, 192.168.0.30/32:80, [fd00::/8]:80",
		bySeparators, parseRangePort, RangePort.String)
}

func parseRangePort(s string) (RangePort, error) {
	if p, err := parseRange(s); err == nil {
		return RangePort{Prefix: p}, nil
	}
	at := strings.LastIndexByte(s, ':')
	if at < 0 {
		return RangePort{}, errValue
	}
	inner := unbracket(s[:at])
	p, err := parseRange(inner)
	if err != nil || p.Addr().Is6() && len(inner) != at-2 {
		return RangePort{}, errValue
	}
	n, err := number(1, highestPort).parse(s[at+1:])
	return RangePort{Prefix: p, Port: n}, err
}

// dnsServers is a list of addresses with a port, which is 53 when it is left out.
func dnsServers() codec[[]netip.AddrPort] {
	return list("address list", "IP addresses with commas, each with a port or without: 1.2.3.4, 1.2.3.4:53, [::1]:53",
		bySeparators,
		func(s string) (netip.AddrPort, error) {
			if a, err := parseAddr(s); err == nil {
				return netip.AddrPortFrom(a, 53), nil
			}
			ap, err := netip.ParseAddrPort(s)
			if err != nil || ap.Port() == 0 || !isZone(ap.Addr().Zone()) {
				return ap, errValue
			}
			return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
		}, netip.AddrPort.String)
}

// Package rawurl reads the addresses of back ends: what stands after "scheme://". It is stricter than net/url, which
// accepts any parameter, and quieter: errors name what was wrong without quoting a part that may hold a secret.
package rawurl

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Split cuts raw into what comes before the first "/", the path after it, and the query after the first "?". Nothing is
// decoded.
func Split(raw string) (authority, path, query string) {
	raw, query, _ = strings.Cut(raw, "?")
	authority, path, _ = strings.Cut(raw, "/")
	return authority, path, query
}

// CutParams cuts the parameters off an address that may hold a password as it is: they begin at the last question mark,
// unless that is part of the password, when an @ follows. found tells whether there is such a question mark.
func CutParams(raw string) (place, params string, found bool) {
	q := strings.LastIndexByte(raw, '?')
	if q < 0 || strings.Contains(raw[q:], "@") {
		return raw, "", false
	}
	return raw[:q], raw[q+1:], true
}

// HostPort returns "host:port" of an authority without user, with the given port when it has none. IPv6 addresses stand
// in brackets.
func HostPort(authority, port string) (string, error) {
	if strings.Contains(authority, "@") {
		return "", errors.New("a user name or password before the host is not taken here")
	}
	host := authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:i], authority[i+1:]
	}
	if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		host = strings.TrimSuffix(inner, "]")
		if len(host) != len(inner)-1 || net.ParseIP(host) == nil {
			return "", fmt.Errorf("host %q: expected an IPv6 address in brackets", authority)
		}
	} else if host == "" || strings.ContainsFunc(host, notInHost) {
		return "", fmt.Errorf("host %q: expected HOST, HOST:PORT or [IPv6]:PORT", authority)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("port %q: expected a number from 1 to 65535", port)
	}
	return net.JoinHostPort(host, port), nil
}

func notInHost(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`:[]/\%,;"<>#?`, r)
}

// Unescape decodes percent-escapes. The error does not quote s, which may be secret.
func Unescape(s string) (string, error) {
	decoded, err := url.PathUnescape(s)
	if err != nil {
		return "", errors.New("a % is not followed by two hexadecimal digits: write %25 for the character itself")
	}
	return decoded, nil
}

// Params are the parameters of a query, decoded.
type Params map[string]string

// ParseParams reads "name=value&name=value". A name that is not among known, or comes twice, is an error.
func ParseParams(query string, known ...string) (Params, error) {
	params := Params{}
	if query == "" {
		return params, nil
	}
	for item := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(item, "=")
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("parameter %q is unknown: expected %s", name, strings.Join(known, ", "))
		}
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("parameter %s is given twice", name)
		}
		decoded, err := Unescape(value)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		params[name] = decoded
	}
	return params, nil
}

// Switch returns whether a parameter is "1"; "0" and its absence are false.
func (p Params) Switch(name string) (bool, error) {
	value, given := p[name]
	if given && value != "0" && value != "1" {
		return false, fmt.Errorf("parameter %s=%q: expected 0 or 1", name, value)
	}
	return value == "1", nil
}

// Duration returns a parameter such as 5s or 500ms, a number alone being seconds; zero without it.
func (p Params) Duration(name string) (time.Duration, error) {
	value, given := p[name]
	if !given {
		return 0, nil
	}
	if seconds, err := strconv.Atoi(value); err == nil && seconds < 1_000_000 {
		value += "s"
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("parameter %s=%q: expected a time such as 5s", name, p[name])
	}
	return d, nil
}

// Count returns a parameter that is a number from 1 to most; zero without it.
func (p Params) Count(name string, most int) (int, error) {
	value, given := p[name]
	if !given {
		return 0, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("parameter %s=%q: expected a number from 1 to %d", name, value, most)
	}
	return n, nil
}

package config

import (
	"errors"
	"net"
	"slices"
	"strings"
)

// address is a URL with one of some schemes. Its text is kept as it is: what follows the :// belongs to the scheme's
// driver, and net/url refuses or cuts several that are in use, such as hardcoded://a:b,c:d and file:///a#b.
func address(schemes ...string) codec[string] {
	return codec[string]{kind: "address URL", want: "a URL that starts with " + prefixes(schemes), blank: true, text: asIs,
		mask: func(s string) string { return maskURL(s, schemes) },
		parse: func(s string) (string, error) {
			if s == "" {
				return "", nil
			}
			return lowerScheme(s), checkURL(s, schemes)
		}}
}

// chain is a list of URLs, each on a line of the file for itself, since they may have commas.
func chain(schemes ...string) codec[[]string] {
	one := address(schemes...)
	each := func(s string, f func(string) string) string {
		all := strings.Split(s, "\n")
		for i := range all {
			all[i] = f(all[i])
		}
		return strings.Join(all, "\n")
	}
	return codec[[]string]{kind: one.kind, want: one.want, blank: true,
		mask: func(s string) string { return strings.ReplaceAll(each(s, one.mask), "\n", " and then ") },
		text: func(all []string) string { return strings.Join(all, "\n") },
		parse: func(s string) ([]string, error) {
			var all []string
			for line := range strings.SplitSeq(s, "\n") {
				url, err := one.parse(strings.TrimSpace(line))
				if err != nil {
					return nil, err
				}
				if url != "" {
					all = append(all, url)
				}
			}
			return all, nil
		}}
}

// addresses is a list of URLs with commas between. A comma inside a URL stays where it is, unless another scheme
// follows.
func addresses(schemes ...string) codec[[]string] {
	return codec[[]string]{kind: "address URLs",
		want: "URLs that start with " + prefixes(schemes) + ", with commas between", blank: true,
		mask: func(s string) string { return maskURLs(s, schemes) },
		text: func(all []string) string { return strings.Join(all, ",") },
		parse: func(s string) ([]string, error) {
			var all []string
			for _, one := range splitURLs(s) {
				if err := checkURL(one, schemes); err != nil {
					return nil, err
				}
				if strings.Contains(authority(one), ",") {
					return nil, errors.New("each with its scheme")
				}
				all = append(all, lowerScheme(one))
			}
			return all, nil
		}}
}

// listen is an address to listen on: host:port with an empty host for all.
func listen() codec[string] {
	return codec[string]{kind: "address", want: "an address to listen on, host:port such as 127.0.0.1:9100 or :9100",
		blank: true, text: asIs,
		parse: func(s string) (string, error) {
			if s == "" {
				return "", nil
			}
			h, p, err := net.SplitHostPort(s)
			if err != nil {
				return "", errValue
			}
			if _, err := host().parse(h); err != nil {
				return "", errValue
			}
			_, err = port().parse(p)
			return s, err
		}}
}

// prefixes lists schemes as they are typed: "http:// or https://".
func prefixes(schemes []string) string {
	all := make([]string, len(schemes))
	for i, s := range schemes {
		all[i] = s + "://"
	}
	return names(all)
}

// needsHost tells the schemes that go over a network.
func needsHost(scheme string) bool {
	switch scheme {
	case "hardcoded", "users", "file", "exec", "sqlite", "unix", "dir", "directory", "disk", "s3":
		return false
	}
	return true
}

// mayBeEmpty tells the schemes that say all there is to say.
func mayBeEmpty(scheme string) bool { return scheme == "users" }

// checkURL looks at the form of s: its scheme, and a host where there must be one.
func checkURL(s string, schemes []string) error {
	scheme, rest, ok := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	switch {
	case !ok || hasControl(s) || strings.ContainsAny(scheme, " \t"):
		return errValue
	case scheme == "couchbase":
		return errors.New("couchbase:// is not supported")
	case !slices.Contains(schemes, scheme):
		return errValue
	case rest == "" && !mayBeEmpty(scheme):
		return errors.New("nothing follows " + scheme + "://")
	case !needsHost(scheme):
		return nil
	}
	return checkHosts(authority(s))
}

// checkHosts looks at host[:port], or several of them with semicolons.
func checkHosts(hosts string) error {
	for one := range strings.SplitSeq(hosts, ";") {
		name, number := one, ""
		if at := strings.LastIndexByte(one, ':'); at >= 0 && !strings.HasSuffix(one, "]") {
			name, number = one[:at], one[at+1:]
		}
		if name == "" {
			return errors.New("the host is missing")
		}
		if number == "" {
			continue
		}
		if _, err := port().parse(number); err != nil {
			return errors.New("the port is not a number from 0 to 65535")
		}
	}
	return nil
}

// lowerScheme writes a URL's scheme in lower case, as drivers look for it (RFC 3986 §3.1).
func lowerScheme(s string) string {
	n := schemeLength(s)
	return strings.ToLower(s[:n]) + s[n:]
}

// authority returns the hosts of a URL, without the user and password. These may contain @ and /, as people type them.
func authority(s string) string {
	_, rest, _ := strings.Cut(s, "://")
	if at := strings.LastIndexByte(userPart(rest), '@'); at >= 0 {
		rest = rest[at+1:]
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// userPart returns the part of what follows :// in which an @ can only end the user and password: all before the query.
func userPart(rest string) string {
	if end := strings.IndexAny(rest, "?#"); end >= 0 && strings.IndexByte(rest[:end], '@') >= 0 {
		return rest[:end]
	}
	if strings.IndexByte(rest, '@') >= 0 && !strings.Contains(rest, ":") {
		// No password: an @ behind the first slash is part of the path.
		rest, _, _ = strings.Cut(rest, "/")
	}
	return rest
}

// splitURLs cuts a list of URLs where a comma or blank is followed by another scheme.
func splitURLs(s string) []string {
	var all []string
	start := 0
	for i := range len(s) {
		if s[i] == ',' && schemeLength(strings.TrimLeft(s[i+1:], " \t")) > 0 {
			all = append(all, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
	}
	if last := strings.Trim(s[start:], " \t,"); last != "" {
		all = append(all, last)
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// schemeLength returns the length of the scheme at the start of s, 0 when there is none (RFC 3986 §3.1).
func schemeLength(s string) int {
	const longestScheme = 32
	for i := range min(len(s), longestScheme) {
		c := s[i] | 0x20
		switch {
		case c >= 'a' && c <= 'z', i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.'):
		case i > 0 && strings.HasPrefix(s[i:], "://"):
			return i
		default:
			return 0
		}
	}
	return 0
}

package database

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Address is the address of a database, taken apart.
type Address struct {
	Scheme   string // sqlite, postgresql, mysql
	Path     string // sqlite: the file, or :memory:
	User     string
	Password string // secret
	Hosts    []Host // at least one
	Name     string // of the database
	Params   map[string]string
}

// Host is where a database listens.
type Host struct {
	Name string // without brackets; "": the driver's default
	Port int    // 0: the driver's default
}

// parameters lists what may follow the ? of an address.
func parameters(scheme string) []string {
	switch scheme {
	case "postgresql":
		return []string{"application_name", "connect_timeout", "host", "search_path", "sslcert", "sslkey", "sslmode",
			"sslrootcert", "target_session_attrs"}
	case "mysql":
		return []string{"socket", "tls"}
	}
	return nil
}

// Parse takes an address apart. An error is an *AddressError. What follows the :// is taken as it is typed: a user and
// password may contain @ and /, and count as percent-encoded only when every % in them begins an escape. Errors never
// repeat any part of s but the names of parameters and what cannot be a password.
func Parse(s string) (Address, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	a := Address{Scheme: strings.ToLower(scheme)}
	if a.Scheme == "postgres" {
		a.Scheme = "postgresql"
	}
	if !ok || !slices.Contains([]string{"sqlite", "postgresql", "mysql"}, a.Scheme) {
		return a, &AddressError{"it has to start with sqlite://, postgresql:// or mysql://"}
	}
	if strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return a, &AddressError{"it contains a control character"}
	}
	if a.Scheme == "sqlite" {
		return a, a.setPath(rest)
	}
	return a, a.setServer(rest)
}

func (a *Address) setPath(rest string) error {
	switch {
	case rest == "":
		return &AddressError{"sqlite:// has to be followed by the path of a file"}
	case strings.Contains(rest, "?"):
		return &AddressError{"sqlite:// takes no parameters, and no ? in the path"}
	case strings.HasSuffix(rest, "/"):
		return &AddressError{"sqlite:// has to be followed by the path of a file, not a directory"}
	}
	a.Path = rest
	return nil
}

func (a *Address) setServer(rest string) error {
	end := len(rest)
	if q := strings.IndexByte(rest, '?'); q >= 0 && (strings.Contains(rest[:q], "@") || !strings.Contains(rest[q:], "@")) {
		end = q
	}
	server, query := rest[:end], strings.TrimPrefix(rest[end:], "?")
	if at := strings.LastIndexByte(server, '@'); at >= 0 {
		user, pass, _ := strings.Cut(server[:at], ":")
		a.User, a.Password = decode(user), decode(pass)
		server = server[at+1:]
	}
	hosts, name, _ := strings.Cut(server, "/")
	if at := strings.IndexByte(name, '?'); at >= 0 { // the first ? belonged to a password
		name, query = name[:at], name[at+1:]
	}
	a.Name = decode(name)
	if a.Name == "" || strings.Contains(a.Name, "/") {
		return &AddressError{a.Scheme + ":// has to name a database: " + a.Scheme + "://user:password@host/database"}
	}
	if err := a.setHosts(hosts); err != nil {
		return err
	}
	return a.setParams(query)
}

func (a *Address) setHosts(hosts string) error {
	for one := range strings.SplitSeq(hosts, ",") {
		h := Host{Name: one}
		if colon := strings.LastIndexByte(one, ':'); colon >= 0 && !strings.HasSuffix(one, "]") {
			port, err := strconv.Atoi(one[colon+1:])
			if err != nil || port < 1 || port > 65535 {
				return &AddressError{"the port is not a number from 1 to 65535"}
			}
			h = Host{Name: one[:colon], Port: port}
		}
		if inner, ok := strings.CutPrefix(h.Name, "["); ok {
			inner, ok = strings.CutSuffix(inner, "]")
			if !ok || net.ParseIP(inner) == nil {
				return &AddressError{"what is in brackets is not an IPv6 address"}
			}
			h.Name = inner
		} else if strings.ContainsAny(h.Name, ":[]'\\ ") {
			return &AddressError{"the host is not understood (an IPv6 address needs brackets)"}
		}
		a.Hosts = append(a.Hosts, h)
	}
	if a.Scheme == "mysql" && len(a.Hosts) > 1 {
		return &AddressError{"mysql:// takes one host"}
	}
	return nil
}

func (a *Address) setParams(query string) error {
	a.Params = map[string]string{}
	if query == "" {
		return nil
	}
	if strings.Contains(query, "@") {
		return &AddressError{"what follows the ? is not understood (in a password write ? as %3F and @ as %40)"}
	}
	known := parameters(a.Scheme)
	for one := range strings.SplitSeq(query, "&") {
		name, value, ok := strings.Cut(one, "=")
		if !slices.Contains(known, name) {
			return &AddressError{"unknown parameter " + strconv.Quote(shorten(name)) + "; known are " +
				strings.Join(known, ", ")}
		}
		if !ok || value == "" {
			return &AddressError{"parameter " + name + " has no value"}
		}
		if _, twice := a.Params[name]; twice {
			return &AddressError{"parameter " + name + " is given twice"}
		}
		a.Params[name] = decode(value)
	}
	return nil
}

func shorten(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most]
	}
	return s
}

// decode undoes percent-encoding where a text is certain to have it.
func decode(s string) string {
	if plain, err := url.PathUnescape(s); err == nil && !strings.ContainsRune(plain, 0) {
		return plain
	}
	return s
}

// String returns the address without its password, for messages.
func (a Address) String() string {
	if a.Scheme == "sqlite" {
		return "sqlite://" + a.Path
	}
	var b strings.Builder
	b.WriteString(a.Scheme + "://")
	if a.User != "" {
		b.WriteString(a.User + "@")
	}
	for i, h := range a.Hosts {
		if i > 0 {
			b.WriteByte(',')
		}
		host := h.Name
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		b.WriteString(host)
		if h.Port != 0 {
			b.WriteString(":" + strconv.Itoa(h.Port))
		}
	}
	b.WriteString("/" + a.Name)
	separator := "?"
	for _, name := range slices.Sorted(maps.Keys(a.Params)) {
		b.WriteString(separator + name + "=" + a.Params[name])
		separator = "&"
	}
	return b.String()
}

package smtpin

import "net/netip"

// Listener is the policy of one listening socket. The zero Listener is a door for clients on loopback, with STARTTLS
// where the server has certificates. It must not change while it is served.
type Listener struct {
	// Name tells listeners apart in logs and for backends, such as "submission".
	Name string

	// Addr is where Server.ListenAndServe listens: host:port, or the path of a Unix socket when it has a slash.
	Addr string

	// Prefixes and Allow say which clients may connect: addresses in a prefix, and addresses that Allow takes. With
	// neither, those on loopback. Others get 554 5.7.1 in place of the greeting. Clients without an IP address, over a
	// Unix socket, are let in.
	Prefixes []netip.Prefix
	// Allow is asked for each connection, so it may change its mind.
	Allow func(netip.Addr) bool

	// Proxies says which addresses are proxies: what connects from there must begin with a PROXY header, of version 1
	// or 2, within 5 seconds. The header's addresses then stand in place of the connection's everywhere, Prefixes and
	// Allow included. A header without addresses, or with those of the proxy's own end, as for a health check, makes a
	// connection that can do all but log in and send mail, and that the monitor is not told of. Nil: there are none.
	// From anybody else a PROXY header is an error.
	Proxies func(netip.Addr) bool

	// ImplicitTLS begins TLS with the first byte (RFC 8314). Otherwise STARTTLS is offered when the server has TLS.
	ImplicitTLS bool
	// RequireTLS refuses MAIL, RCPT and AUTH before TLS with 530 5.7.0.
	RequireTLS bool

	// RequireAuth refuses MAIL before AUTH with 530 5.7.0, as message submission does (RFC 6409 §4.3).
	RequireAuth bool
	// AuthToRelay makes Conn.Trusted false until the client has logged in. Refusing recipients is up to the backend.
	AuthToRelay bool
	// InsecureAuth offers AUTH without TLS to clients that are not on loopback.
	InsecureAuth bool

	// LMTP speaks LMTP (RFC 2033).
	LMTP bool
}

// allows reports whether a client may connect. An invalid address is that of a client without one.
func (l *Listener) allows(a netip.Addr) bool {
	if !a.IsValid() {
		return true
	}
	if l.Allow == nil && len(l.Prefixes) == 0 {
		return a.IsLoopback()
	}
	for _, p := range l.Prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return l.Allow != nil && l.Allow(a)
}

package smtpin

import (
	"crypto/tls"
	"net/netip"
)

// Conn is what a backend may know about a connection. Its methods may be called from the methods of the connection's
// session only, and tell what is so at that moment: a client may say EHLO again, begin TLS and log in.
type Conn struct {
	info ConnInfo
	kept any
}

// ConnInfo holds the facts of a Conn, for code that makes one itself: tests of a backend, and other ways in that
// hand mail to the same backend.
type ConnInfo struct {
	Hostname      string               // the name that the client gave with EHLO, HELO or LHLO
	ServerName    string               // the name in our greeting
	Local, Remote netip.AddrPort       // zero where the connection has no IP addresses
	TLS           *tls.ConnectionState // nil: no TLS
	HELO          bool                 // it said HELO: neither EHLO nor LHLO
	UTF8          bool                 // the current mail was begun with SMTPUTF8
	User          string               // as whom the client logged in; "": not at all
	STARTTLS      bool                 // the client could begin TLS
	Postmaster    bool                 // the recipient at hand was named <Postmaster>, without a domain
	Listener      *Listener            // nil: a zero Listener
}

// NewConn returns a Conn that tells what info says. The server makes its own.
func NewConn(info ConnInfo) *Conn {
	if info.Listener == nil {
		info.Listener = &Listener{}
	}
	return &Conn{info: info}
}

// Keep has the connection remember something of the backend's, in place of what it kept before: STARTTLS ends a session
// and begins another, but not the connection.
func (c *Conn) Keep(v any) { c.kept = v }

// Kept returns what was last given to Keep; nil: nothing was.
func (c *Conn) Kept() any { return c.kept }

// Hostname returns the name that the client gave with EHLO, HELO or LHLO.
func (c *Conn) Hostname() string { return c.info.Hostname }

// ServerName returns the name that we gave in the greeting.
func (c *Conn) ServerName() string { return c.info.ServerName }

// Local returns our address; it is not valid when the connection has none, such as one over a Unix socket.
func (c *Conn) Local() netip.AddrPort { return c.info.Local }

// Remote returns the client's address; it is not valid when the connection has none.
func (c *Conn) Remote() netip.AddrPort { return c.info.Remote }

// TLS returns the state of TLS, and false when the connection does not use it.
func (c *Conn) TLS() (tls.ConnectionState, bool) {
	if c.info.TLS == nil {
		return tls.ConnectionState{}, false
	}
	return *c.info.TLS, true
}

// User returns the name that the client logged in with, or "".
func (c *Conn) User() string { return c.info.User }

// Listener returns the policy of the listener that the client came through. It is never nil and must not be changed.
func (c *Conn) Listener() *Listener { return c.info.Listener }

// Trusted reports whether the client may relay: send mail to addresses that are not local. It may when it has logged
// in, and when its listener does not ask for that.
func (c *Conn) Trusted() bool {
	return c.info.User != "" || !(c.info.Listener.AuthToRelay || c.info.Listener.RequireAuth)
}

// MayAuth reports whether secrets are safe on the connection, so that AUTH is offered when the session has mechanisms:
// it uses TLS, or its listener does not demand that and the client is on loopback or allowed to do without.
func (c *Conn) MayAuth() bool {
	if c.info.TLS != nil {
		return true
	}
	remote := c.info.Remote.Addr()
	return !c.info.Listener.RequireTLS && (c.info.Listener.InsecureAuth || !remote.IsValid() || remote.IsLoopback())
}

// MayStartTLS reports whether the client could begin TLS with STARTTLS, and has not.
func (c *Conn) MayStartTLS() bool { return c.info.STARTTLS && c.info.TLS == nil }

// ToPostmaster reports, while a recipient is judged, whether the client named it <Postmaster> without a domain. Such
// mail must always be taken (RFC 5321 §4.5.1); the address that the session gets has been completed.
func (c *Conn) ToPostmaster() bool { return c.info.Postmaster }

// Protocol returns the word for the "with" clause of a Received header: SMTP or ESMTP, LMTP, with S for TLS and A for
// AUTH (RFC 3848), and with UTF8 in front for a mail sent with SMTPUTF8 (RFC 6531 §4.3).
func (c *Conn) Protocol() string {
	i := &c.info
	if i.HELO && !i.UTF8 && i.TLS == nil && i.User == "" {
		return "SMTP"
	}
	name := "ESMTP"
	switch {
	case i.Listener.LMTP && i.UTF8:
		name = "UTF8LMTP"
	case i.Listener.LMTP:
		name = "LMTP"
	case i.UTF8:
		name = "UTF8SMTP"
	}
	if i.TLS != nil {
		name += "S"
	}
	if i.User != "" {
		name += "A"
	}
	return name
}

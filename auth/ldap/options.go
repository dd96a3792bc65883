package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/sluicemail/sluice/internal/rawurl"
)

// Security says how connections are protected.
type Security int

// Plain is for loopback and tunnels. StartTLS begins in plain text and goes no further than the server's consent to TLS
// (RFC 4511 section 4.14), never back to plain text. TLS encrypts from the first byte.
const (
	Plain Security = iota
	StartTLS
	TLS
)

// String names the scheme of the address, as in Open.
func (s Security) String() string {
	switch s {
	case Plain:
		return "ldap"
	case StartTLS:
		return "ldap with StartTLS"
	case TLS:
		return "ldaps"
	}
	return fmt.Sprintf("Security(%d)", int(s))
}

// Options say where the directory is. Address and BaseDN are needed.
type Options struct {
	// Address is HOST or HOST:PORT; IPv6 stands in brackets. The port is 389 without one, and 636 with TLS.
	Address string
	// BaseDN is where the users are, such as "ou=people,dc=example,dc=com".
	BaseDN string
	// Attribute is the one that carries the name within the base; "": uid.
	Attribute string
	// Security is Plain when zero.
	Security Security
	// TLSConfig is used by StartTLS and TLS. Without a ServerName, that of Address is verified. Nil: the certificate
	// authorities of the system.
	TLSConfig *tls.Config
	// Timeout limits a login, connecting and waiting for a connection included; 0: 10 s.
	Timeout time.Duration
	// Connections is how many connections, and so logins, there are at a time; 0: 64. More wait for their turn.
	Connections int
	// IdleTime is how long an unused connection is kept; 0: 30 s, negative: not at all.
	IdleTime time.Duration
	// Dial makes connections to Address; nil: net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	defaultTimeout     = 10 * time.Second
	defaultConnections = 64
	defaultIdleTime    = 30 * time.Second
)

// complete checks o and fills in what zero stands for.
func (o Options) complete() (Options, error) {
	if o.Security < Plain || o.Security > TLS {
		return o, fmt.Errorf("security %d: expected Plain, StartTLS or TLS", o.Security)
	}
	port := ldap.DefaultLdapPort
	if o.Security == TLS {
		port = ldap.DefaultLdapsPort
	}
	address, err := rawurl.HostPort(o.Address, port)
	if err != nil {
		return o, err
	}
	o.Address = address
	if err := o.checkNames(); err != nil {
		return o, err
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Connections <= 0 {
		o.Connections = defaultConnections
	}
	if o.IdleTime == 0 {
		o.IdleTime = defaultIdleTime
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Security != Plain {
		o.TLSConfig = o.tlsConfig()
	}
	return o, nil
}

func (o *Options) checkNames() error {
	if o.Attribute == "" {
		o.Attribute = "uid"
	}
	if strings.ContainsFunc(o.Attribute, notInAttribute) {
		return fmt.Errorf("attribute %q: expected letters, digits, hyphens and dots", o.Attribute)
	}
	if o.BaseDN == "" {
		return errors.New("there is no base DN: expected something like ou=people,dc=example,dc=com")
	}
	if _, err := ldap.ParseDN(o.BaseDN); err != nil {
		return fmt.Errorf("base DN %q: %w", o.BaseDN, err)
	}
	return nil
}

func notInAttribute(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	return !letter && (r < '0' || r > '9') && r != '-' && r != '.'
}

func (o *Options) tlsConfig() *tls.Config {
	config := new(tls.Config)
	if o.TLSConfig != nil {
		config = o.TLSConfig.Clone()
	}
	if config.ServerName == "" {
		host, _, _ := net.SplitHostPort(o.Address)
		config.ServerName = host
	}
	return config
}

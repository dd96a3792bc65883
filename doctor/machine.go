package doctor

import (
	"context"
	"crypto"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/preflight"
)

// Machine is what is examined. What its fields leave out is not looked at.
type Machine struct {
	Hostname string   // that it greets with
	Sources  []Source // addresses that mail leaves from, as others see them
	Domains  []string // that mail is sent from
	Receives []string // domains whose mail comes here
	Keys     []Key    // that sign mail

	Listeners    []Listener
	Consoles     []string // addresses of the console that speak plain HTTP
	Certificates []Certificate

	Resolver   preflight.Resolver
	Servers    []string // DNS servers, as host:port
	Validating bool     // DANE is wanted: the servers must validate
	BlockLists []string // zones that are asked about the sources

	Directory   string // of the queue
	Connections int    // that there may be at a time; zero: as many as descriptors allow
	Memory      int64  // bytes that mails in reception may take

	Files    []string // that hold secrets
	Advice   []Advice // about the configuration
	Settings error    // why the settings database cannot be read
	Broken   []string // rows of it that were left out, and why

	// Dial connects to listeners, DNS servers and policy hosts. Nil: the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots are what certificates must lead to. Nil: those of the system.
	Roots *x509.CertPool
	// System tells about the machine below. Nil: this one.
	System System
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Source is an address that mail leaves from.
type Source struct {
	IP   netip.Addr
	Name string // that it says in EHLO
}

// Key is one that signs mail.
type Key struct {
	Domain, Selector string
	Public           crypto.PublicKey
}

// Listener is a port for mail.
type Listener struct {
	Name     string // "smtp 192.0.2.1:25"
	Address  string // to connect to
	Implicit bool   // TLS from the first byte
	StartTLS bool   // there is a certificate
}

// Certificate is one in files, with what it is for.
type Certificate struct {
	Use       string // "smtp-certificate"
	Cert, Key string // files
	Names     []string
}

// Advice is what is to be said about the configuration.
type Advice struct {
	Where, Text string
	Mild        bool // nothing is wrong
}

func (m *Machine) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

func (m *Machine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if m.Dial != nil {
		return m.Dial(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (m *Machine) system() System {
	if m.System != nil {
		return m.System
	}
	return thisSystem{}
}

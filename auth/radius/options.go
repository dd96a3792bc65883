package radius

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/rawurl"
)

// Options say where the server is. Address, Identifier and Secret are needed.
type Options struct {
	// Address is HOST or HOST:PORT; IPv6 stands in brackets. The port is 1812 without one.
	Address string
	// Identifier is the NAS-Identifier, by which the server tells its clients apart; up to 253 bytes.
	Identifier string
	// Secret is what we share with the server.
	Secret string `json:"-"`
	// Lenient accepts replies without Message-Authenticator; see the package's story.
	Lenient bool
	// Timeout limits a login; 0: 4 s, in which a request is sent three times. A server that thinks our secret is wrong
	// does not answer at all (RFC 3579 section 3.2), and somebody waits at a form meanwhile.
	Timeout time.Duration
	// Retransmit is the time after which a request is sent again; it doubles with each time. 0: 1 s.
	Retransmit time.Duration
	// InFlight is how many requests wait for answers at a time; 0: 512. More wait for their turn.
	InFlight int
	// Dial connects a datagram socket to Address; nil: net.Dialer's. A read takes one datagram.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Format prints the options without the secret, whatever the verb.
func (o Options) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "radius %s as %s", o.Address, o.Identifier)
}

const (
	defaultPort       = "1812"
	defaultTimeout    = 4 * time.Second
	defaultRetransmit = time.Second
	defaultInFlight   = 512
)

// complete checks o and fills in what zero stands for.
func (o Options) complete() (Options, error) {
	address, err := rawurl.HostPort(o.Address, defaultPort)
	if err != nil {
		return o, err
	}
	o.Address = address
	switch {
	case o.Identifier == "" || len(o.Identifier) > maxAttribute:
		return o, fmt.Errorf("the identifier has %d bytes: expected 1 to %d", len(o.Identifier), maxAttribute)
	case strings.Contains(o.Identifier, "\x00"):
		return o, errors.New("the identifier has a NUL in it")
	case o.Secret == "":
		return o, errors.New("there is no secret: expected the one that the server knows for this client")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Retransmit <= 0 {
		o.Retransmit = defaultRetransmit
	}
	if o.InFlight <= 0 {
		o.InFlight = defaultInFlight
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o, nil
}

package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// Sizes of PROXY headers, in bytes.
const (
	maxProxyV1   = 107     // with CRLF, as the protocol has it
	proxyV2Fixed = 16      // signature, version and command, family, length
	maxProxyV2   = 4 << 10 // of addresses and TLVs; certificates among them take one or two KiB
)

// errProxy says that what came is no PROXY header, or one that cannot be read.
var errProxy = errors.New("wire: malformed PROXY header")

// ErrProxyHere is an error of ReadLine: a PROXY header of version 2 where a line should be.
var ErrProxyHere = errors.New("wire: unexpected PROXY header")

// Proxy is what a PROXY header says.
type Proxy struct {
	// Local is true when the proxy speaks for itself, as it does for a health check. There are no addresses then.
	Local bool
	// Client is where the client connects from, Server where it connected to.
	Client, Server netip.AddrPort
}

// ReadProxy reads the header that a proxy puts in front of a connection, of version 1 or 2 of the PROXY protocol. TLVs
// are skipped. What follows the header stays for the next read, or for StartTLS. Errors wrap errProxy unless they are
// those of the connection.
func (c *Conn) ReadProxy() (Proxy, error) {
	n, err := c.proxyLen()
	if err != nil {
		return Proxy{}, err
	}
	header, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(c.in[c.r:c.r+n]), max(n, 16)))
	c.consume(n)
	if err != nil {
		return Proxy{}, fmt.Errorf("%w: %w", errProxy, err)
	}
	if header.Command.IsLocal() {
		return Proxy{Local: true}, nil
	}
	client, server, ok := header.TCPAddrs()
	if !ok {
		return Proxy{}, fmt.Errorf("%w: expected addresses of TCP over IP", errProxy)
	}
	return Proxy{Client: plainAddr(client), Server: plainAddr(server)}, nil
}

// proxyLen reads until a whole header is buffered, and returns its length.
func (c *Conn) proxyLen() (int, error) {
	for {
		n, err := headerLen(c.buffered())
		if err != nil || n > 0 {
			return n, err
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
}

// headerLen returns the length of the PROXY header that b begins with, or zero when that needs more of it.
func headerLen(b []byte) (int, error) {
	switch {
	case startsLike(b, proxyproto.SIGV2):
		return v2Len(b)
	case startsLike(b, proxyproto.SIGV1):
		return v1Len(b)
	}
	return 0, fmt.Errorf("%w: expected one at the start of the connection", errProxy)
}

func v1Len(b []byte) (int, error) {
	line := b[:min(len(b), maxProxyV1)]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		return i + 1, nil
	}
	if len(line) == maxProxyV1 {
		return 0, fmt.Errorf("%w: version 1 has more than %d bytes", errProxy, maxProxyV1)
	}
	return 0, nil
}

func v2Len(b []byte) (int, error) {
	if len(b) < proxyV2Fixed {
		return 0, nil
	}
	n := int(binary.BigEndian.Uint16(b[proxyV2Fixed-2:]))
	if n > maxProxyV2 {
		return 0, fmt.Errorf("%w: version 2 has more than %d bytes of addresses and TLVs", errProxy, maxProxyV2)
	}
	if n += proxyV2Fixed; len(b) >= n {
		return n, nil
	}
	return 0, nil
}

// startsLike reports whether b begins with sig, as far as it goes.
func startsLike(b, sig []byte) bool {
	n := min(len(b), len(sig))
	return bytes.Equal(b[:n], sig[:n])
}

func plainAddr(a *net.TCPAddr) netip.AddrPort {
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// rewound is a connection of which something was read too early.
type rewound struct {
	net.Conn
	early []byte
}

func (r *rewound) Read(p []byte) (int, error) {
	if len(r.early) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.early)
	r.early = r.early[n:]
	return n, nil
}

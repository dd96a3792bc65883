package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/go-ldap/ldap/v3"
)

// maxReplies is how much a server may send during one login, TLS included. Certificates are the greatest part.
const maxReplies = 256 << 10

// connection is one to the server. It carries one bind at a time.
type connection struct {
	net    *meteredConn
	client *ldap.Conn
	reused bool // has carried a bind before
	spent  bool // was closed by within
}

// connect dials, and encrypts as o says.
func connect(ctx context.Context, o *Options) (*connection, error) {
	plain, err := o.Dial(ctx, "tcp", o.Address)
	if err != nil {
		return nil, err
	}
	c := &connection{net: &meteredConn{Conn: plain}}
	c.net.left.Store(maxReplies)
	if o.Security == TLS {
		encrypted := tls.Client(c.net, o.TLSConfig)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			plain.Close()
			return nil, err
		}
		c.client = ldap.NewConn(encrypted, true)
	} else {
		c.client = ldap.NewConn(c.net, false)
	}
	c.client.Start()
	if o.Security == StartTLS {
		if err := c.within(ctx, func() error { return c.client.StartTLS(o.TLSConfig) }); err != nil {
			c.close()
			return nil, fmt.Errorf("StartTLS: %w", plainly(err))
		}
	}
	return c, nil
}

// bind asks the server whether the password is that of the entry.
func (c *connection) bind(ctx context.Context, dn, password string) error {
	c.net.left.Store(maxReplies)
	return c.within(ctx, func() error { return c.client.Bind(dn, password) })
}

// within calls f, which waits for the server, and closes the connection when ctx ends before it returns: the client
// knows no contexts.
func (c *connection) within(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, func() { c.net.Close() })
	err := f()
	if !stop() {
		c.spent = true
	}
	return err
}

// dead reports whether the connection is closed, as far as is known.
func (c *connection) dead() bool { return c.spent || c.client.IsClosing() }

// close closes the network first: the client would wait for a write that hangs.
func (c *connection) close() {
	c.net.Close()
	c.client.Close()
}

// meteredConn fails to read once its allowance is spent, so that a server cannot fill the memory.
type meteredConn struct {
	net.Conn
	left atomic.Int64
}

func (c *meteredConn) Read(p []byte) (int, error) {
	left := c.left.Load()
	if left <= 0 {
		return 0, errors.New("the server sends too much")
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), left)])
	c.left.Add(-int64(n))
	return n, err
}

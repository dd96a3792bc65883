package smtpin

import (
	"io"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// proxyTimeout is how long a proxy may take for its header.
const proxyTimeout = 5 * time.Second

// introduce reads the PROXY header of a connection that comes from a proxy; false: the connection ends. From then on
// the addresses are those of the client behind it.
func (c *session) introduce() bool {
	remote := c.conn.Remote().Addr()
	if c.policy.Proxies == nil || !remote.IsValid() || !c.policy.Proxies(remote) {
		return true
	}
	c.w.SetLimit(time.Now().Add(proxyTimeout))
	c.w.Idle = true
	header, err := c.w.ReadProxy()
	c.w.Idle = false
	c.w.SetLimit(time.Time{})
	switch {
	case err == nil:
	// a port scan, or a proxy that looks whether we are there
	case c.w.Interrupted(), err == io.EOF && c.w.Buffered() == 0:
		return false
	default:
		c.srv.logger().Warn("proxy sent no PROXY header that can be read", "proxy", remote.String(), "error", err)
		c.observe(monitor.ClientRefused, 0, "No valid PROXY header")
		return false
	}
	// HAProxy's checks of version 1 name the end of the proxy's own connection.
	if c.probe = header.Local || header.Client == c.conn.Remote(); !c.probe {
		c.conn.info.Local, c.conn.info.Remote = header.Server, header.Client
	}
	return true
}

// notProxy ends a connection that begins with a PROXY header although it comes from no proxy: believing it would let
// anybody be anybody.
func (c *session) notProxy() {
	c.reply(554, wire.Status{5, 5, 0}, "A PROXY header is not expected from you, closing the connection")
	c.close()
}

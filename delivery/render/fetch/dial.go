package fetch

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/proxy"
)

// Resolver looks hosts up. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const maxAddresses = 8 // of one host that are tried

// dial connects to a host and port within the terms. It tries the addresses of the host in turn.
func (c *Client) dial(ctx context.Context, t *Terms, hostPort string) (net.Conn, error) {
	host, text, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, final("malformed host")
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, final("malformed port")
	}
	addrs, err := c.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	var blocked, failed error
	for _, addr := range addrs[:min(len(addrs), maxAddresses)] {
		conn, err := c.connect(ctx, t, netip.AddrPortFrom(addr, uint16(port)))
		if err == nil {
			return conn, nil
		}
		if e, ok := errors.AsType[*Error](err); ok && !e.Temporary {
			blocked = e
		} else {
			failed = err
		}
	}
	return nil, cmp.Or(failed, blocked)
}

func (c *Client) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	var r Resolver = net.DefaultResolver
	if c.Resolver != nil {
		r = c.Resolver
	}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) == 0 {
		err = temporary("host %s has no address", host)
	}
	return addrs, err
}

// connect makes one connection, to an address that the terms allow.
func (c *Client) connect(ctx context.Context, t *Terms, target netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout()/3)
	defer cancel()
	if t.Proxy != "" {
		if err := t.permit(target); err != nil {
			return nil, err
		}
		return throughProxy(ctx, t.Proxy, target.String())
	}
	d := net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		real, err := netip.ParseAddrPort(address)
		if err != nil {
			return final("malformed address %s", address)
		}
		return t.permit(real)
	}}
	return d.DialContext(ctx, "tcp", target.String())
}

// throughProxy has a proxy connect to an address.
func throughProxy(ctx context.Context, address, target string) (net.Conn, error) {
	p, err := url.Parse(address)
	if err != nil || p.Hostname() == "" {
		return nil, temporary("the proxy has no proper address") // which may hold a password
	}
	ports := map[string]string{"http": "80", "https": "443", "socks": "1080", "socks5": "1080"}
	at := net.JoinHostPort(p.Hostname(), cmp.Or(p.Port(), ports[p.Scheme]))
	switch p.Scheme {
	case "socks", "socks5":
		return throughSOCKS(ctx, p.User, at, target)
	case "http", "https":
		return throughHTTP(ctx, p, at, target)
	}
	return nil, temporary("the proxy has no scheme that is known")
}

func throughSOCKS(ctx context.Context, user *url.Userinfo, at, target string) (net.Conn, error) {
	var login *proxy.Auth
	if user != nil {
		password, _ := user.Password()
		login = &proxy.Auth{User: user.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", at, login, &net.Dialer{})
	if err != nil {
		return nil, err
	}
	return d.(proxy.ContextDialer).DialContext(ctx, "tcp", target)
}

// throughHTTP asks with CONNECT, RFC 9110 §9.3.6.
func throughHTTP(ctx context.Context, p *url.URL, at, target string) (conn net.Conn, err error) {
	if p.Scheme == "https" {
		conn, err = (&tls.Dialer{}).DialContext(ctx, "tcp", at)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", at)
	}
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = connectThrough(conn, p.User, target)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

const maxProxyAnswer = 16 << 10

func connectThrough(conn net.Conn, user *url.Userinfo, target string) error {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target,
		Header: http.Header{}}
	if user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
		request.Header.Set("Proxy-Authorization", request.Header.Get("Authorization"))
		request.Header.Del("Authorization")
	}
	if err := request.Write(conn); err != nil {
		return err
	}
	in := bufio.NewReader(&bounded{conn, maxProxyAnswer})
	answer, err := http.ReadResponse(in, request)
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusOK:
		return temporary("the proxy answered %s", answer.Status)
	case in.Buffered() > 0:
		return temporary("the proxy said more than an answer")
	}
	return nil
}

// bounded reads a number of bytes at most, and says so.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, temporary("the proxy's answer has no end")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

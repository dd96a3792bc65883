package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// internet is all that mtad can reach: name servers, and hosts behind the proxies of its addresses.
type internet struct {
	hosts   map[netip.Addr]*provider
	dns     *nameServer
	doors   []door
	closing chan struct{}
	serving sync.WaitGroup
	mu      sync.Mutex
	open    map[net.Conn]bool
}

// door is the proxy behind which one of mtad's addresses is.
type door struct {
	source
	listener net.Listener
}

func (d *door) port() int64 { return int64(d.listener.Addr().(*net.TCPAddr).Port) }

// openInternet starts the providers, the name server that knows them, and a proxy for each source address.
func openInternet(all []*provider) (n *internet, err error) {
	n = &internet{hosts: map[netip.Addr]*provider{}, closing: make(chan struct{}), open: map[net.Conn]bool{}}
	defer func() {
		if err != nil {
			_ = n.close()
		}
	}()
	zone := newZone()
	next := netip.MustParseAddr("127.0.1.1")
	for _, p := range all {
		zone.domains(p, next)
		for range p.hosts {
			n.hosts[next] = p
			next = next.Next()
		}
		if p.sink != nil {
			p.visitors = &entrance{visitors: make(chan net.Conn), closed: make(chan struct{})}
			n.serving.Go(func() { _ = p.sink.Serve(p.visitors) })
		}
	}
	zone.own()
	if n.dns, err = serveNames(zone); err != nil {
		return n, err
	}
	for _, s := range sources() {
		l, err := net.Listen("tcp", loopback(0))
		if err != nil {
			return n, err
		}
		d := door{s, l}
		n.doors = append(n.doors, d)
		n.serving.Go(func() { n.guard(&d) })
	}
	return n, nil
}

// publish adds the record of a DKIM key.
func (n *internet) publish(key signingKey) { n.dns.zone.text(key.name, key.record) }

// guard takes the connections of one source address.
func (n *internet) guard(d *door) {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		if !n.admit(conn) {
			conn.Close()
			return
		}
		n.serving.Go(func() {
			if !n.lead(conn, d.ip) {
				n.dismiss(conn)
			}
		})
	}
}

func (n *internet) admit(conn net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.closing:
		return false
	default:
	}
	n.open[conn] = true
	return true
}

func (n *internet) dismiss(conn net.Conn) {
	n.mu.Lock()
	delete(n.open, conn)
	n.mu.Unlock()
	conn.Close()
}

// lead brings a visitor to the host that it asks for, and reports false when there is none.
func (n *internet) lead(conn net.Conn, from string) bool {
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	target, err := asked(conn)
	if err != nil {
		return false
	}
	host := n.hosts[target.Addr()]
	switch {
	case host == nil || target.Port() != 25:
		_ = answer(conn, hostUnreachable)
		return false
	case host.silent:
		<-n.closing // the client loses patience first
		return false
	case host.sink == nil:
		_ = answer(conn, connectionRefused)
		return false
	}
	if answer(conn, succeeded) != nil {
		return false
	}
	_ = conn.SetDeadline(time.Time{})
	v := &visitor{Conn: conn, from: &net.TCPAddr{IP: net.ParseIP(from), Port: conn.RemoteAddr().(*net.TCPAddr).Port},
		leaves: n.dismiss}
	return host.visitors.enter(v)
}

// close ends proxies, providers and name server, and waits for them.
func (n *internet) close() error {
	close(n.closing)
	for _, d := range n.doors {
		d.listener.Close()
	}
	n.mu.Lock()
	for conn := range n.open {
		conn.Close()
	}
	n.mu.Unlock()
	for _, host := range n.hosts {
		if host.sink != nil {
			_ = host.sink.Close()
		}
	}
	n.serving.Wait()
	if n.dns == nil {
		return nil
	}
	return n.dns.close()
}

// visitor is a connection that came through a proxy; it seems to come from mtad's public address.
type visitor struct {
	net.Conn
	from   net.Addr
	leaves func(net.Conn)
}

func (v *visitor) RemoteAddr() net.Addr { return v.from }

func (v *visitor) Close() error {
	v.leaves(v.Conn)
	return nil
}

// entrance is a listener whose connections are handed to it.
type entrance struct {
	visitors chan net.Conn
	once     sync.Once
	closed   chan struct{}
}

// enter waits until a connection is taken, and reports false when it will not be.
func (e *entrance) enter(conn net.Conn) bool {
	select {
	case e.visitors <- conn:
		return true
	case <-e.closed:
		return false
	}
}

// Accept implements net.Listener.
func (e *entrance) Accept() (net.Conn, error) {
	select {
	case conn := <-e.visitors:
		return conn, nil
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (e *entrance) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

// Addr implements net.Listener.
func (e *entrance) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 1, 1), Port: 25} }

// Answers of a SOCKS 5 proxy, RFC 1928 §6.
const (
	succeeded         = 0
	hostUnreachable   = 4
	connectionRefused = 5
)

var errNotSOCKS = errors.New("not a SOCKS 5 client")

// asked reads up to the request of a SOCKS 5 client and returns the address that it wants (RFC 1928 §3, §4).
func asked(conn net.Conn) (target netip.AddrPort, err error) {
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return target, err
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(conn, methods); err != nil {
		return target, err
	}
	if head[0] != 5 {
		return target, errNotSOCKS
	}
	if _, err := conn.Write([]byte{5, 0}); err != nil {
		return target, err
	}
	var request [4 + 4 + 2]byte // version, command, reserved, type of an IPv4 address; address; port
	if _, err := io.ReadFull(conn, request[:]); err != nil {
		return target, err
	}
	if request[0] != 5 || request[1] != 1 || request[3] != 1 {
		return target, fmt.Errorf("%w: command %d, address type %d", errNotSOCKS, request[1], request[3])
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(request[4:8])), uint16(request[8])<<8|uint16(request[9])), nil
}

func answer(conn net.Conn, code byte) error {
	_, err := conn.Write([]byte{5, code, 0, 1, 127, 0, 0, 1, 0, 0})
	return err
}

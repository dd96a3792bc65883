package rabbittest

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Proxy stands between a client and the broker.
type Proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns []net.Conn
	deaf  bool // what clients say is thrown away
	after int  // bytes from clients until the next cut; zero: none
}

// NewProxy makes a proxy for the broker at an address. It lasts as long as the test.
func NewProxy(t testing.TB, target string) *Proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{listener: l, target: target}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			all.Go(func() { io.Copy(client, server); client.Close() })
			all.Go(func() { p.forward(server, client); server.Close() })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.Cut()
		all.Wait()
	})
	return p
}

func (p *Proxy) forward(server, client net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		deaf, cut := p.deaf, false
		if p.after > 0 {
			if p.after -= n; p.after <= 0 {
				n, p.after, cut = n/2, 0, true
			}
		}
		p.mu.Unlock()
		if !deaf {
			server.Write(buf[:n])
		}
		if cut {
			p.Cut()
		}
	}
}

// SetDeaf makes the broker hear nothing of what clients say, or hear it again.
func (p *Proxy) SetDeaf(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

// CutAfter ends all connections once, in the middle of what is then being sent, when clients have said another n bytes.
// Zero takes that back.
func (p *Proxy) CutAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after = n
}

// Cut ends all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// Through is the address of the broker by way of the proxy.
func (p *Proxy) Through(address string) string {
	return strings.Replace(address, p.target, p.listener.Addr().String(), 1)
}

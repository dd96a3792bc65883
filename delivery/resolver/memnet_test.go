package resolver_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/resolver"
)

// memServer is a name server in memory, for tests in which time is synthetic. script returns the packets with which to
// answer, each after its delay.
type memServer struct {
	script func(network string, q *dns.Msg) []delayed

	mu      sync.Mutex
	queries []query
}

type delayed struct {
	after  time.Duration
	packet []byte
	hangUp bool
}

type query struct {
	at      time.Time
	network string
	msg     *dns.Msg
}

func (s *memServer) asked() []query {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]query(nil), s.queries...)
}

func (s *memServer) serve(network string, conn net.Conn) {
	defer conn.Close()
	gone := make(chan struct{})
	defer close(gone)
	var writing sync.Mutex
	buf := make([]byte, 65536)
	for {
		packet, err := readPacket(network, conn, buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		if q.Unpack(packet) != nil {
			return
		}
		s.mu.Lock()
		s.queries = append(s.queries, query{time.Now(), network, q})
		s.mu.Unlock()
		for _, d := range s.script(network, q) {
			go func() {
				select {
				case <-time.After(d.after):
				case <-gone:
					return
				}
				if d.hangUp {
					conn.Close()
					return
				}
				out := d.packet
				if network == "tcp" {
					out = append(binary.BigEndian.AppendUint16(nil, uint16(len(d.packet))), d.packet...)
				}
				writing.Lock()
				defer writing.Unlock()
				_, _ = conn.Write(out)
			}()
		}
	}
}

func readPacket(network string, conn net.Conn, buf []byte) ([]byte, error) {
	if network == "udp" {
		n, err := conn.Read(buf)
		return buf[:n], err
	}
	if _, err := io.ReadFull(conn, buf[:2]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint16(buf)
	_, err := io.ReadFull(conn, buf[:n])
	return buf[:n], err
}

// memResolver returns a resolver for servers in memory, at 192.0.2.1, 192.0.2.2 and so on.
func memResolver(t *testing.T, opts resolver.Options, servers ...*memServer) *resolver.Resolver {
	t.Helper()
	byAddress := map[string]*memServer{}
	for i, s := range servers {
		address := netAddress(i)
		byAddress[address] = s
		opts.Servers = append(opts.Servers, address)
	}
	opts.HostsFile = "-"
	opts.Dial = func(_ context.Context, network, address string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go byAddress[address].serve(network, theirs)
		return ours, nil
	}
	r, err := resolver.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func netAddress(i int) string { return "192.0.2." + string(rune('1'+i)) + ":53" }

// packet packs a message.
func packet(m *dns.Msg) []byte {
	data, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return data
}

// now is the plain script: one answer at once.
func now(m *dns.Msg) []delayed { return []delayed{{packet: packet(m)}} }

// reply is an answer to q with records in zone file form.
func reply(q *dns.Msg, records ...string) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			panic(text + ": " + err.Error())
		}
		if rr.Header().Rrtype == dns.TypeSOA {
			m.Ns = append(m.Ns, rr)
		} else {
			m.Answer = append(m.Answer, rr)
		}
	}
	return m
}

func coded(q *dns.Msg, rcode int, records ...string) *dns.Msg {
	m := reply(q, records...)
	m.Rcode = rcode
	return m
}

// answering always gives the same records.
func answering(records ...string) *memServer {
	return &memServer{script: func(_ string, q *dns.Msg) []delayed { return now(reply(q, records...)) }}
}

// refusing always gives the same code.
func refusing(rcode int) *memServer {
	return &memServer{script: func(_ string, q *dns.Msg) []delayed { return now(coded(q, rcode)) }}
}

// mute never answers.
func mute() *memServer {
	return &memServer{script: func(string, *dns.Msg) []delayed { return nil }}
}

func kindOf(t *testing.T, err error) resolver.Kind {
	t.Helper()
	var e *resolver.Error
	require.ErrorAs(t, err, &e)
	return e.Kind
}

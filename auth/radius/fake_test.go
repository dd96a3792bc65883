package radius

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
)

const secret = "shared-secret"

// server is one within the test's process that does what the test says.
type server struct {
	t      *testing.T
	conn   net.PacketConn
	handle func(q *question)

	mu       sync.Mutex
	requests [][]byte
}

// question is a request that arrived.
type question struct {
	*radius.Packet
	wire  []byte
	write func(reply []byte)
}

// serve starts a server on loopback.
func serve(t *testing.T, handle func(q *question)) *server {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &server{t: t, conn: conn, handle: handle}
	var serving sync.WaitGroup
	serving.Go(func() {
		buffer := make([]byte, 5000)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			s.receive(append([]byte(nil), buffer[:n]...), func(reply []byte) { _, _ = conn.WriteTo(reply, from) })
		}
	})
	t.Cleanup(func() { conn.Close(); serving.Wait() })
	return s
}

func (s *server) receive(wire []byte, write func([]byte)) {
	p, err := radius.Parse(wire, []byte(secret))
	if err != nil {
		s.t.Errorf("request: %v", err)
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, wire)
	s.mu.Unlock()
	s.handle(&question{p, wire, write})
}

func (s *server) received() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([][]byte(nil), s.requests...)
}

func (s *server) authenticator(o Options) *Authenticator {
	s.t.Helper()
	o.Address, o.Identifier, o.Secret = s.conn.LocalAddr().String(), "mx1", secret
	a, err := New(o)
	require.NoError(s.t, err)
	return a
}

// right says whether the request is that of alice with her password.
func (q *question) right() bool {
	return rfc2865.UserName_GetString(q.Packet) == "alice" && rfc2865.UserPassword_GetString(q.Packet) == "open-sesame"
}

// verdict is Accept for alice and Reject for others.
func (q *question) verdict() radius.Code {
	if q.right() {
		return radius.CodeAccessAccept
	}
	return radius.CodeAccessReject
}

// reply encodes a reply as a server with the secret does.
func (q *question) reply(code radius.Code, signed bool, key string, attributes ...*radius.AVP) []byte {
	p := q.Response(code)
	p.Secret = []byte(key)
	if signed {
		p.Add(rfc2869.MessageAuthenticator_Type, make(radius.Attribute, mac))
	}
	p.Attributes = append(p.Attributes, attributes...)
	if signed {
		wire, err := p.MarshalBinary()
		if err != nil {
			panic(err)
		}
		p.Attributes[0].Attribute = sign(wire, []byte(key))
	}
	wire, err := p.Encode()
	if err != nil {
		panic(err)
	}
	return wire
}

func avp(t radius.Type, value string) *radius.AVP {
	return &radius.AVP{Type: t, Attribute: radius.Attribute(value)}
}

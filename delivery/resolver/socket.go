package resolver

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// udpSize is announced by EDNS0: what passes every network unfragmented.
	udpSize = 1232
	// readSize is what is read at most, for servers that ignore udpSize.
	readSize = 8192
	// socketQueries is after how many questions a socket is replaced by one with another port.
	socketQueries = 500
	// socketLinger is how long a socket without questions stays open.
	socketLinger = 2 * time.Second
)

var errSocketClosed = errors.New("socket closed")

// reply is what became of one try. It has a message or an error.
type reply struct {
	server *server
	msg    *dns.Msg
	err    error
	tcp    bool
}

// socket is a UDP socket connected to one server, so that the kernel drops what comes from elsewhere. Its goroutine
// reads answers and gives each to the try that waits for it.
type socket struct {
	server *server
	conn   net.Conn

	mu      sync.Mutex
	pending map[uint16]pending
	sent    int
	closed  bool
}

// pending is a try that waits for its answer. replies has room for one reply of each try.
type pending struct {
	question dns.Question
	replies  chan<- reply
}

// openSocket opens a socket to the server and starts its reader.
func openSocket(r *Resolver, srv *server) (*socket, error) {
	conn, err := r.opts.Dial(r.ctx, "udp", srv.address)
	if err != nil {
		return nil, err
	}
	if udp, ok := conn.(*net.UDPConn); ok {
		// Best effort: the system may allow less.
		_ = udp.SetReadBuffer(r.opts.BufferSize)
		_ = udp.SetWriteBuffer(r.opts.BufferSize)
	}
	s := &socket{server: srv, conn: conn, pending: make(map[uint16]pending)}
	if !r.start(s.read) {
		conn.Close()
		return nil, errSocketClosed
	}
	return s, nil
}

// send sends a packet that asks question and has room for an id in its first two bytes. The answer goes to replies. The
// returned function stops waiting for it; done is false when the socket takes no more questions.
func (s *socket) send(packet []byte, question dns.Question, replies chan<- reply) (cancel func(), done bool,
	err error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, false, nil
	}
	id := s.freeID()
	s.pending[id] = pending{question, replies}
	s.sent++
	_ = s.conn.SetReadDeadline(time.Time{})
	s.mu.Unlock()

	binary.BigEndian.PutUint16(packet, id)
	if _, err := s.conn.Write(packet); err != nil {
		s.forget(id)
		return nil, true, err
	}
	return func() { s.forget(id) }, true, nil
}

// freeID returns a random id that no try uses.
func (s *socket) freeID() uint16 {
	for {
		var b [2]byte
		_, _ = rand.Read(b[:]) // never fails
		id := binary.BigEndian.Uint16(b[:])
		if _, taken := s.pending[id]; !taken {
			return id
		}
	}
}

func (s *socket) forget(id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, id)
	if len(s.pending) == 0 {
		_ = s.conn.SetReadDeadline(time.Now().Add(socketLinger))
	}
}

// worn reports whether the socket had its share of questions.
func (s *socket) worn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed || s.sent >= socketQueries
}

// read serves the socket until it breaks, or nobody asked for a while. ctx ends when the resolver is closed.
func (s *socket) read(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	buf := make([]byte, readSize)
	for {
		n, err := s.conn.Read(buf)
		if err == nil {
			s.deliver(buf[:n])
		} else if s.finish(err) {
			return
		}
	}
}

// finish closes the socket after a read failed, unless that was the end of its linger time and a question came after
// all.
func (s *socket) finish(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, os.ErrDeadlineExceeded) && len(s.pending) > 0 {
		return false
	}
	s.closed = true
	s.conn.Close()
	for _, p := range s.pending {
		p.replies <- reply{server: s.server, err: err}
	}
	clear(s.pending)
	return true
}

// deliver gives a packet to the try that it answers. Packets that answer none are dropped: they are late, or forged.
func (s *socket) deliver(packet []byte) {
	if len(packet) < 12 {
		return
	}
	id := binary.BigEndian.Uint16(packet)
	s.mu.Lock()
	p, ok := s.pending[id]
	s.mu.Unlock()
	if !ok {
		return
	}
	msg := new(dns.Msg)
	err := msg.Unpack(packet)
	if !answers(msg, p.question) {
		return
	}
	if err != nil && !msg.Truncated {
		msg = nil
	} else {
		err = nil
	}
	s.mu.Lock()
	_, ok = s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	if ok {
		p.replies <- reply{server: s.server, msg: msg, err: err}
	}
}

package radius

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"

	"layeh.com/radius"
)

// identifiers is how many requests one socket carries: each number of one byte once.
const identifiers = 256

// sockets hands out identifiers, and opens sockets as they are needed.
type sockets struct {
	options  *Options
	protocol *protocol
	slots    chan struct{} // one for each request in flight
	turn     chan struct{} // held while current is looked at or replaced
	current  *socket
}

func newSockets(o *Options, p *protocol) *sockets {
	return &sockets{options: o, protocol: p, slots: make(chan struct{}, o.InFlight), turn: make(chan struct{}, 1)}
}

// begin reserves an identifier. After an error nothing needs to be given back; otherwise the exchange ends with end.
func (s *sockets) begin(ctx context.Context) (*exchange, error) {
	if err := enter(ctx, s.slots); err != nil {
		return nil, err
	}
	e, err := s.reserve(ctx)
	if err != nil {
		<-s.slots
	}
	return e, err
}

func enter(ctx context.Context, c chan struct{}) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *sockets) reserve(ctx context.Context) (*exchange, error) {
	if err := enter(ctx, s.turn); err != nil {
		return nil, err
	}
	defer func() { <-s.turn }()
	if s.current != nil {
		if e := s.current.reserve(); e != nil {
			return e, nil
		}
	}
	conn, err := s.options.Dial(ctx, "udp", s.options.Address)
	if err != nil {
		return nil, err
	}
	s.current = &socket{conn: conn, protocol: s.protocol, done: make(chan struct{})}
	e := s.current.reserve()
	go s.current.read()
	return e, nil
}

func (s *sockets) end(e *exchange) {
	e.socket.release(e)
	<-s.slots
}

// socket is connected to the server. It lives as long as requests are in flight.
type socket struct {
	conn     net.Conn
	protocol *protocol
	done     chan struct{} // closed when read has returned

	mu       sync.Mutex
	used     int // identifiers given out; the next one
	inFlight int // of those, not released
	closed   bool
	waiting  [identifiers]*exchange // whose request is known
}

// exchange is a request and the wait for its answer.
type exchange struct {
	socket     *socket
	identifier byte
	request    []byte
	answer     chan answer // takes one

	problem error // why there is no answer yet; the socket's mutex guards it
}

type answer struct {
	code radius.Code
	err  error
}

// reserve returns nil when the socket has no more identifiers, or is closed.
func (s *socket) reserve() *exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.used == identifiers {
		return nil
	}
	e := &exchange{socket: s, identifier: byte(s.used), answer: make(chan answer, 1)}
	s.used++
	s.inFlight++
	return e
}

// expect has replies to a request checked from now on.
func (s *socket) expect(e *exchange, request []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.request = request
	s.waiting[e.identifier] = e
}

// send writes the request. That it fails is noted: it is sent again later.
func (s *socket) send(e *exchange) {
	if _, err := s.conn.Write(e.request); err != nil {
		s.mu.Lock()
		e.problem = err
		s.mu.Unlock()
	}
}

// release forgets an exchange, and closes the socket after the last.
func (s *socket) release(e *exchange) {
	s.mu.Lock()
	s.waiting[e.identifier] = nil
	s.inFlight--
	last := s.inFlight == 0
	s.closed = s.closed || last
	s.mu.Unlock()
	if last {
		s.conn.Close()
		<-s.done
	}
}

func (s *socket) problem(e *exchange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.problem
}

// read passes datagrams on until the socket is closed.
func (s *socket) read() {
	defer close(s.done)
	buffer := make([]byte, radius.MaxPacketLength)
	for {
		n, err := s.conn.Read(buffer)
		if err == nil {
			s.receive(buffer[:n])
			continue
		}
		passing := unreachable(err)
		s.note(err, !passing)
		if !passing {
			return
		}
	}
}

// unreachable reports whether err is what the kernel makes of an ICMP message. It tells each once, and the socket lives
// on.
func unreachable(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETUNREACH)
}

// note remembers a problem for all requests in flight, which end with it if it is final.
func (s *socket) note(err error, final bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = s.closed || final
	for _, e := range s.waiting {
		if e == nil {
			continue
		}
		e.problem = err
		if final {
			e.deliver(answer{err: err})
		}
	}
}

func (s *socket) receive(reply []byte) {
	if len(reply) < header {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.waiting[reply[1]]
	if e == nil {
		return // late, doubled, or for nobody
	}
	code, err := s.protocol.check(reply, e.request)
	if problem, is := errors.AsType[ignored](err); is {
		e.problem = problem
		return
	}
	e.deliver(answer{code, err})
}

// deliver drops all answers but the first.
func (e *exchange) deliver(a answer) {
	select {
	case e.answer <- a:
	default:
	}
}

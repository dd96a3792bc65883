package smtptest

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Sink is an SMTP server that takes mail and forgets it. The zero Sink accepts everything. Set its fields before Serve.
type Sink struct {
	// Hostname is the name in the greeting; "" means sink.test.
	Hostname string
	// Latency is waited before each flight of replies, as if the network were that slow.
	Latency time.Duration
	// NoPipelining leaves PIPELINING out of the EHLO reply. Flights are understood nevertheless.
	NoPipelining bool
	// TLS switches STARTTLS on. SelfSigned makes a configuration.
	TLS *tls.Config
	// Rules say what happens other than acceptance.
	Rules []Rule
	// NoNames switches off that recipients choose their fate by name. Otherwise the first label of a recipient's
	// domain, or else its local part up to a "+", may be one of reject, defer, hang, close, garbage, slow (2 s),
	// greylist (10 s) or a reply code such as 452; each may be followed by -data or -dot to happen at that stage
	// instead of RCPT. Rules go first.
	NoNames bool
	// MaxConnections is how many connections may be open; more are answered 421. Zero means 10,000.
	MaxConnections int
	// MaxMessages is how many mails one connection may bring; Farewell says what becomes of more. Zero means any
	// number.
	MaxMessages int
	Farewell    Farewell
	// MaxSize is announced as SIZE and enforced with 552; zero means no limit.
	MaxSize int64
	// Verify checks the sum that a Source puts into its mails.
	Verify bool
	// Expect is the number of recipients after whose arrival Done is closed; zero means never.
	Expect int64
	// Received, unless nil, is called with each accepted mail before it is answered, from many goroutines. The mail is
	// the callee's to keep.
	Received func(*Received)

	init    sync.Once
	rules   [stages][]Rule
	names   map[string]named
	done    chan struct{}
	reached sync.Once
	stats   counters
	tally   Tally
	grey    greylist
	peers   *peers // nil: no rule limits them

	mu        sync.Mutex
	closed    bool
	closing   chan struct{}
	listeners map[net.Listener]bool
	conns     map[net.Conn]bool
	wg        sync.WaitGroup
}

// Received is a mail that a Sink accepted.
type Received struct {
	From       string
	Recipients []string
	Data       []byte // as it was sent, dots unstuffed
	TLS        bool
	Helo       string
	Remote     netip.AddrPort // zero when it is not a TCP connection
}

// Stats counts what a Sink has seen.
type Stats struct {
	Connections int64 // that were made
	Open        int64 // connections now
	Messages    int64 // accepted mails
	Recipients  int64 // of accepted mails
	Bytes       int64 // of accepted mails
	Arrived     int64 // recipients of accepted mails, each number counted once
	Duplicates  int64 // numbers that came again
	Misplaced   int64 // mails that reached a recipient they were not for
	Damaged     int64 // mails whose sum was wrong, with Verify
	Deferred    int64 // replies of 4yz
	Rejected    int64 // replies of 5yz
	Flights     int64 // writes of replies
}

type counters struct {
	connections, open, messages, recipients, bytes, unnumbered, misplaced, damaged, deferred, rejected,
	flights atomic.Int64
}

func (s *Sink) setUp() {
	s.init.Do(func() {
		s.done = make(chan struct{})
		s.closing = make(chan struct{})
		s.listeners = map[net.Listener]bool{}
		s.conns = map[net.Conn]bool{}
		for _, r := range s.Rules {
			r.Pattern = strings.ToLower(r.Pattern)
			s.rules[min(r.Stage, Dot)] = append(s.rules[min(r.Stage, Dot)], r)
		}
		s.peers = watched(s.Rules)
		if !s.NoNames {
			s.names = nameTable()
		}
	})
}

// Serve takes connections from l until Close, which makes it return nil, or until l fails.
func (s *Sink) Serve(l net.Listener) error {
	s.setUp()
	if !s.begin(l) {
		return errors.Join(l.Close(), net.ErrClosed)
	}
	defer s.end(l)
	for {
		conn, err := l.Accept()
		if err != nil {
			select {
			case <-s.closing:
				return nil
			default:
				return err
			}
		}
		if !s.admit(conn) {
			_ = conn.Close()
		}
	}
}

func (s *Sink) begin(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[l] = true
	s.wg.Add(1)
	return true
}

func (s *Sink) end(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	_ = l.Close()
	s.wg.Done()
}

// admit starts the session of a connection, and reports false once the sink is closed.
func (s *Sink) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[conn] = true
	s.stats.connections.Add(1)
	limit := int64(s.MaxConnections)
	if limit == 0 {
		limit = 10_000
	}
	full := s.stats.open.Add(1) > limit
	s.wg.Go(func() {
		defer s.dismiss(conn)
		newSession(s, conn).run(full)
	})
	return true
}

func (s *Sink) dismiss(conn net.Conn) {
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	_ = conn.Close()
}

// Close ends all listeners and sessions and waits for them.
func (s *Sink) Close() error {
	s.setUp()
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	for l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// Done is closed once Expect recipients have arrived.
func (s *Sink) Done() <-chan struct{} {
	s.setUp()
	return s.done
}

// Count returns how many mails were accepted.
func (s *Sink) Count() int64 { return s.stats.messages.Load() }

// Duplicates returns how many recipients got a mail again.
func (s *Sink) Duplicates() int64 { return s.tally.Duplicates() }

// Tally returns the numbers that have arrived.
func (s *Sink) Tally() *Tally { return &s.tally }

// Stats returns the counters.
func (s *Sink) Stats() Stats {
	c := &s.stats
	return Stats{
		Connections: c.connections.Load(), Open: c.open.Load(),
		Messages: c.messages.Load(), Recipients: c.recipients.Load(), Bytes: c.bytes.Load(),
		Arrived: s.arrived(), Duplicates: s.tally.Duplicates(),
		Misplaced: c.misplaced.Load(), Damaged: c.damaged.Load(),
		Deferred: c.deferred.Load(), Rejected: c.rejected.Load(), Flights: c.flights.Load(),
	}
}

func (s *Sink) arrived() int64 { return s.tally.Distinct() + s.stats.unnumbered.Load() }

func (s *Sink) checkDone() {
	if s.Expect > 0 && s.arrived() >= s.Expect {
		s.reached.Do(func() { close(s.done) })
	}
}

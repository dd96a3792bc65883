package checks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	defaultConnections = 10
	defaultExchange    = 60 * time.Second
)

// ErrBusy is what an exchange ends with whose time ran out while all connections were taken.
var ErrBusy = errors.New("all connections are busy")

// Service is a scanner that listens somewhere: it bounds the connections to it and the time of each exchange, and
// remembers whether it works. It is used by pointer, safe for concurrent use, and its exported fields stay as they are
// once it is in use.
type Service struct {
	// Address is "host:port" or "tcp://host:port", or the path of a socket as "/path" or "unix:///path".
	Address string
	// Connections is how many may be open at a time: zero is 10. Others wait as long as their context lets them.
	Connections int
	// Timeout is how long one exchange may take, with waiting for a connection: zero is 60 seconds. A context that ends
	// earlier counts.
	Timeout time.Duration
	// Dial opens a connection, to network "tcp" or "unix"; nil is a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	once    sync.Once
	slots   chan struct{}
	changed chan struct{}
	mu      sync.Mutex
	state   State
}

// State is whether a service works, as far as the last exchange tells.
type State struct {
	Address string
	Up      bool
	Since   time.Time // since when it is up or down; zero: it was never asked
	Problem string    // why it is down
	Version string    // of the program, such as "ClamAV 1.4.3"; "" when it was never asked
	Data    string    // version of what it works with, such as its signatures; "" when it has none
	Dated   time.Time // when that was made; zero: unknown
}

// String returns "up since …" or "down since …: why", for logs.
func (s State) String() string {
	switch {
	case s.Since.IsZero():
		return "not asked yet"
	case s.Up:
		return "up since " + s.Since.UTC().Format(time.RFC3339)
	default:
		return "down since " + s.Since.UTC().Format(time.RFC3339) + ": " + s.Problem
	}
}

// State returns what is known.
func (s *Service) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state
	state.Address = s.Address
	return state
}

// Changed returns a channel that gets a value after the service went up or down. It holds one value for all changes
// that nobody has heard of yet, and is for one listener.
func (s *Service) Changed() <-chan struct{} {
	s.begin()
	return s.changed
}

// SetVersion keeps what the service said about itself.
func (s *Service) SetVersion(version, data string, dated time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Version, s.state.Data, s.state.Dated = version, data, dated
}

// Exchange connects, has talk do its work, and closes the connection. All reads and writes of talk fail when the time
// is over or ctx ends. The error of talk, or of the connection, makes the service count as down until an exchange
// succeeds; not so when the caller alone gave up, or when it is [ErrBusy].
func (s *Service) Exchange(ctx context.Context, talk func(net.Conn) error) error {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = defaultExchange
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	release, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	err = s.converse(ctx, talk)
	if err == nil || ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.note(err)
	}
	return err
}

// begin makes what the first use needs.
func (s *Service) begin() {
	s.once.Do(func() {
		n := s.Connections
		if n <= 0 {
			n = defaultConnections
		}
		s.slots, s.changed = make(chan struct{}, n), make(chan struct{}, 1)
	})
}

// acquire waits for a free connection.
func (s *Service) acquire(ctx context.Context) (release func(), err error) {
	s.begin()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Address, err)
	}
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w: %w", s.Address, ErrBusy, ctx.Err())
	}
}

func (s *Service) converse(ctx context.Context, talk func(net.Conn) error) error {
	network, address, err := s.endpoint()
	if err != nil {
		return err
	}
	dial := s.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := talk(conn); err != nil {
		if ctx.Err() != nil { // the i/o error only says that a deadline passed
			return fmt.Errorf("%s: %w", s.Address, ctx.Err())
		}
		if errors.Is(err, os.ErrDeadlineExceeded) { // the connection's clock was a little faster
			return fmt.Errorf("%s: %w", s.Address, context.DeadlineExceeded)
		}
		return fmt.Errorf("%s: %w", s.Address, err)
	}
	return nil
}

// endpoint takes the address apart.
func (s *Service) endpoint() (network, address string, err error) {
	address = s.Address
	switch {
	case strings.HasPrefix(address, "unix:"):
		network, address = "unix", strings.TrimPrefix(strings.TrimPrefix(address, "unix:"), "//")
	case strings.HasPrefix(address, "/"):
		network = "unix"
	default:
		network, address = "tcp", strings.TrimPrefix(address, "tcp://")
	}
	if address == "" {
		return "", "", fmt.Errorf("no service at %q: want host:port, or unix:///path", s.Address)
	}
	return network, address, nil
}

// note keeps whether the service works, and since when.
func (s *Service) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Since.IsZero() || s.state.Up != (err == nil) {
		s.state.Up, s.state.Since = err == nil, time.Now()
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}
	s.state.Problem = ""
	if err != nil {
		s.state.Problem = err.Error()
	}
}

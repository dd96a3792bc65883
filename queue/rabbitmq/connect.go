package rabbitmq

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue"
)

// handshake is how long one host may take until the connection stands.
const handshake = 10 * time.Second

// The delays between rounds of trying all hosts.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// dialer makes connections to one of several hosts, and knows whether there is an outage.
type dialer struct {
	opts  *Options
	hosts []endpoint
	last  atomic.Int32 // index of the host that worked last
	pipes sync.Map     // of *amqp.Connection to the *pipe below it, until somebody wants that

	mu    sync.Mutex
	down  map[any]bool // who waits for a connection
	since time.Time
	why   error // of the last try
	tries int
}

// dial tries every host once.
func (d *dialer) dial(ctx context.Context, what string) (*amqp.Connection, error) {
	var problems []error
	first := int(d.last.Load())
	for i := range d.hosts {
		n := (first + i) % len(d.hosts)
		c, err := d.dialHost(ctx, &d.hosts[n], what)
		if err == nil {
			d.last.Store(int32(n))
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		problems = append(problems, fmt.Errorf("%s: %w", d.hosts[n].name, explain(err)))
	}
	return nil, fmt.Errorf("rabbitmq: %w: %w", queue.ErrUnavailable, errors.Join(problems...))
}

func (d *dialer) dialHost(ctx context.Context, e *endpoint, what string) (*amqp.Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	var raw net.Conn
	var stop func() bool
	out := new(pipe)
	config := amqp.Config{
		Properties: amqp.Table{"product": "Sluice", "connection_name": d.opts.Name + " " + what},
		Dial: func(network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			out.Conn = guarded{conn}
			raw = out
			stop = context.AfterFunc(ctx, func() { _ = conn.Close() }) // breaks off the handshake, too
			return raw, nil
		},
	}
	var err error
	if config.TLSClientConfig, err = d.opts.tlsConfig(e); err != nil {
		return nil, refusal{err}
	}
	c, err := amqp.DialConfig(e.url, config)
	switch {
	case raw == nil:
	case !stop():
		err = cmp.Or(ctx.Err(), err)
	case err != nil:
		_ = raw.Close()
	}
	if err != nil {
		return nil, err
	}
	if what == publishing {
		d.pipes.Store(c, out)
	}
	return c, nil
}

// publishing is what connections are for that publish.
const publishing = "publisher"

// explain says in words what refused a connection.
func explain(err error) error {
	var reply *amqp.Error
	var network *net.OpError
	var invalid *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	switch {
	case errors.Is(err, amqp.ErrCredentials):
		return refusal{errors.New("the broker refuses the user or the password")}
	case errors.Is(err, amqp.ErrVhost):
		return refusal{errors.New("the broker refuses the virtual host")}
	case errors.As(err, &reply) && reply.Code == amqp.AccessRefused:
		return refusal{fmt.Errorf("the broker refuses the user or the password: %s", reply.Reason)}
	case errors.As(err, &reply) && reply.Code == amqp.NotAllowed:
		return refusal{fmt.Errorf("the broker refuses the virtual host: %s", reply.Reason)}
	case errors.As(err, &invalid):
		return refusal{fmt.Errorf("the broker's certificate is not valid (rabbitmq-verify: false accepts any): %w", err)}
	case errors.As(err, &notTLS):
		return refusal{fmt.Errorf("the broker does not speak TLS on that port: %w", err)}
	case errors.As(err, &network) && network.Op == "dial":
		return fmt.Errorf("no broker answers: %w", err)
	}
	return err
}

// refusal is a queue.ErrRefused that says so by its own words.
type refusal struct{ error }

func (r refusal) Unwrap() []error { return []error{r.error, queue.ErrRefused} }

// connect tries until it has a connection or ctx ends. The first round happens at once. who stands for the connection.
func (d *dialer) connect(ctx context.Context, who any, what string, failed func(error)) (*amqp.Connection, error) {
	delay := firstRetry
	for {
		c, err := d.dial(ctx, what)
		if err == nil {
			d.back(who)
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		d.lost(who, err)
		failed(err)
		pause(ctx, delay/2+rand.N(delay))
		delay = min(2*delay, lastRetry)
	}
}

// lost notes that a connection cannot be made. An outage is logged when it begins and when it is over.
func (d *dialer) lost(who any, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tries++; len(d.down) == 0 {
		d.since, d.tries = time.Now(), 1
		d.opts.Logger.Warn("the broker is away; trying again until it is back", "error", err)
	}
	if d.down == nil {
		d.down = make(map[any]bool)
	}
	d.down[who], d.why = true, err
}

func (d *dialer) back(who any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.down[who] {
		return
	}
	if delete(d.down, who); len(d.down) == 0 {
		d.opts.Logger.Info("the broker is back", "after", time.Since(d.since).Round(time.Millisecond), "attempts", d.tries)
	}
}

// source is a connection for consumers, made anew when it breaks.
type source struct {
	dialer *dialer
	turn   chan struct{} // one place: who makes it anew
	conn   *amqp.Connection
	over   bool
}

func newSource(d *dialer) *source { return &source{dialer: d, turn: make(chan struct{}, 1)} }

// get returns the connection, waiting for it when it is broken.
func (s *source) get(ctx context.Context) (*amqp.Connection, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.over {
		return nil, queue.ErrClosed
	}
	if s.conn != nil && !s.conn.IsClosed() {
		return s.conn, nil
	}
	c, err := s.dialer.connect(ctx, s, "consumer", func(error) {})
	if err != nil {
		return nil, err
	}
	s.conn = c
	return c, nil
}

// close ends the connection for good. The contexts of callers that wait for it have ended.
func (s *source) close() {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.over = true
	if s.conn != nil {
		hangUp(s.conn)
	}
}

// hangUp closes a connection, and does not wait long for a broker that does not answer.
func hangUp(c *amqp.Connection) { _ = c.CloseDeadline(time.Now().Add(2 * time.Second)) }

// guarded closes itself when it cannot be read: else a write that stands still, as nobody reads at the other end, would
// keep the library from ending the connection.
type guarded struct{ net.Conn }

// Read implements net.Conn.
func (g guarded) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if err != nil {
		_ = g.Conn.Close()
	}
	return n, err
}

// broken reports whether the connection is.
func (s *source) broken() bool {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
		return s.conn == nil || s.conn.IsClosed()
	default: // somebody makes it anew
		return true
	}
}

// Dial makes one connection to a broker, for other purposes than queues of mail: of the options only those about
// addresses and TLS count, and Name. purpose is shown in the broker's list of connections.
func Dial(ctx context.Context, opts Options, purpose string) (*amqp.Connection, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	hosts, err := endpoints(opts.Addresses)
	if err != nil {
		return nil, err
	}
	return (&dialer{opts: &opts, hosts: hosts}).dial(ctx, purpose)
}

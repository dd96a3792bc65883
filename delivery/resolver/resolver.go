package resolver

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// ErrClosed is the cause of look-ups that fail because the resolver was closed.
var ErrClosed = errors.New("resolver is closed")

// Resolver asks and remembers. Its methods are safe for concurrent use.
type Resolver struct {
	opts    Options
	servers *serverList
	hosts   *hostsFile
	cache   *cache
	places  chan struct{}

	flightMu sync.Mutex
	flights  map[question]*flight

	ctx     context.Context // ends with Close
	cancel  context.CancelCauseFunc
	startMu sync.Mutex // orders start before Close waits
	running sync.WaitGroup
}

// flight is a look-up under way; its fields are set before done is closed.
type flight struct {
	done   chan struct{}
	answer *Answer
	err    *Error
}

// New returns a resolver. It asks nobody yet. It fails when a server's address cannot be understood or resolv.conf
// cannot be read. Close it to end its goroutines; without look-ups it has none after a few seconds.
func New(opts Options) (*Resolver, error) {
	opts = opts.withDefaults()
	servers, err := newServerList(opts)
	if err != nil {
		return nil, err
	}
	r := &Resolver{
		opts:    opts,
		servers: servers,
		hosts:   newHostsFile(opts.HostsFile),
		cache:   newCache(opts.CacheSize),
		places:  make(chan struct{}, opts.Capacity),
		flights: make(map[question]*flight),
	}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	return r, nil
}

// Close ends all look-ups and waits for them.
func (r *Resolver) Close() error {
	r.startMu.Lock()
	r.cancel(ErrClosed)
	r.startMu.Unlock()
	r.running.Wait()
	return nil
}

// Forget empties the cache.
func (r *Resolver) Forget() { r.cache.clear() }

// Size returns how many answers the cache holds, good or expired, and roughly how many bytes they take.
func (r *Resolver) Size() (answers int, bytes int64) { return r.cache.length() }

// start runs f in a goroutine that Close waits for. It reports false, and runs nothing, when the resolver is closed.
func (r *Resolver) start(f func(ctx context.Context)) bool {
	r.startMu.Lock()
	defer r.startMu.Unlock()
	if r.ctx.Err() != nil {
		return false
	}
	r.running.Go(func() { f(r.ctx) })
	return true
}

// Cached returns what the cache has for a name and type, such as dns.TypeMX: an answer or an *Error. ok is false when
// that is nothing. It asks nobody.
func (r *Resolver) Cached(name string, qtype uint16) (answer *Answer, err error, ok bool) {
	name, valid := normalName(name)
	if !valid {
		return nil, nil, false
	}
	e := r.cache.get(question{name, qtype}, time.Now())
	if e == nil {
		return nil, nil, false
	}
	if e.err != nil {
		return nil, e.err, true
	}
	return e.answer, nil, true
}

// Lookup returns the records of a name and type, from the cache or from the servers. An error is an *Error.
func (r *Resolver) Lookup(ctx context.Context, name string, qtype uint16) (*Answer, error) {
	normal, ok := normalName(name)
	if !ok {
		return nil, &Error{Name: printable(name), Type: qtype, Kind: BadName}
	}
	q := question{normal, qtype}
	if e := r.cache.get(q, time.Now()); e != nil {
		return result(e.answer, e.err)
	}
	f, err := r.join(ctx, q)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
		return result(f.answer, f.err)
	case <-ctx.Done():
		return nil, stopped(ctx, q)
	}
}

// result keeps a nil *Error from becoming an error that is not nil.
func result(answer *Answer, err *Error) (*Answer, error) {
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func stopped(ctx context.Context, q question) *Error {
	return &Error{Name: q.name, Type: q.qtype, Kind: Stopped, Cause: context.Cause(ctx)}
}

// join returns the flight for q, starting it when there is none and a place is free or becomes so.
func (r *Resolver) join(ctx context.Context, q question) (*flight, error) {
	if f := r.flight(q); f != nil {
		return f, nil
	}
	select {
	case r.places <- struct{}{}:
	case <-ctx.Done():
		return nil, stopped(ctx, q)
	case <-r.ctx.Done():
		return nil, stopped(r.ctx, q)
	}
	r.flightMu.Lock()
	defer r.flightMu.Unlock()
	if f := r.flights[q]; f != nil {
		<-r.places
		return f, nil
	}
	f := &flight{done: make(chan struct{})}
	if e := r.cache.get(q, time.Now()); e != nil { // another flight landed while we waited
		<-r.places
		f.answer, f.err = e.answer, e.err
		close(f.done)
		return f, nil
	}
	if !r.start(func(ctx context.Context) { r.fly(ctx, q, f) }) {
		<-r.places
		return nil, stopped(r.ctx, q)
	}
	r.flights[q] = f
	return f, nil
}

func (r *Resolver) flight(q question) *flight {
	r.flightMu.Lock()
	defer r.flightMu.Unlock()
	return r.flights[q]
}

// fly asks, remembers and tells everybody who waits.
func (r *Resolver) fly(ctx context.Context, q question, f *flight) {
	begun := time.Now()
	f.answer, f.err = r.resolve(ctx, q)
	if r.opts.Asked != nil {
		_, err := result(f.answer, f.err)
		r.opts.Asked(time.Since(begun), err)
	}
	r.flightMu.Lock()
	delete(r.flights, q)
	r.flightMu.Unlock()
	close(f.done)
	<-r.places
}

// resolve asks the servers for q, and for what its CNAMEs lead to when an answer stops at one, and stores the outcome.
func (r *Resolver) resolve(ctx context.Context, q question) (*Answer, *Error) {
	total := step{name: wireName(q.name)}
	answer := &Answer{Authentic: r.opts.TrustAD}
	size := 0
	for {
		name := plainName(total.name)
		if !validName(name) {
			return r.keepError(q, &Error{Kind: Malformed, Detail: "CNAME to " + printable(name)}, 0)
		}
		msg, err := r.ask(ctx, name, q.qtype)
		if err != nil {
			return r.keepError(q, err, r.opts.FailTTL)
		}
		size += msg.Len()
		answer.Authentic = answer.Authentic && msg.AuthenticatedData
		total.add(readAnswer(msg, name, q.qtype))
		switch {
		case total.kind == Loop || len(total.aliases) > maxChain:
			return r.keepError(q, &Error{Kind: Loop, Detail: "at " + printable(name)}, r.opts.MinTTL)
		case total.kind != 0:
			return r.keepError(q, &Error{Kind: total.kind}, r.bounded(total.ttl))
		case len(total.records) > 0:
			answer.Name, answer.Aliases, answer.Records = plainName(total.name), total.aliases, total.records
			return r.keepAnswer(q, answer, r.bounded(total.ttl), size), nil
		}
	}
}

// add appends what a further answer contributed.
func (s *step) add(next step) {
	for _, alias := range next.aliases {
		if s.visited(alias) {
			next.kind = Loop
		}
		s.aliases = append(s.aliases, alias)
	}
	s.name, s.records, s.kind = next.name, next.records, next.kind
	if next.hasTTL {
		s.lower(uint32(next.ttl / time.Second))
	}
}

func (r *Resolver) bounded(ttl time.Duration) time.Duration {
	return min(max(ttl, r.opts.MinTTL), r.opts.MaxTTL)
}

func (r *Resolver) keepAnswer(q question, a *Answer, ttl time.Duration, size int) *Answer {
	now := time.Now()
	a.Expires = now.Add(ttl)
	// Unpacked records take a few times their size on the wire.
	r.cache.put(q, &cacheEntry{answer: a, cost: int64(4*size + 100*len(a.Records))}, a.Expires, now)
	return a
}

// keepError completes e and remembers it for ttl, unless it only says that we gave up.
func (r *Resolver) keepError(q question, e *Error, ttl time.Duration) (*Answer, *Error) {
	e.Name, e.Type = q.name, q.qtype
	if e.Kind == Stopped {
		return nil, e
	}
	now := time.Now()
	e.Expires = now.Add(max(ttl, time.Second))
	r.cache.put(q, &cacheEntry{err: e, cost: 200}, e.Expires, now)
	return nil, e
}

// isNetwork reports whether err came from the socket, not from what was read.
func isNetwork(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, errSocketClosed) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed)
}

// printable returns a name that can stand in a log: short, and without control characters.
func printable(name string) string {
	if len(name) > maxName {
		name = name[:maxName] + "..."
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return strconv.QuoteToASCII(name)
		}
	}
	return name
}

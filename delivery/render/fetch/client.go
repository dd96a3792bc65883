package fetch

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/internal/lru"
	"github.com/sluicemail/sluice/queue"
)

// Client downloads. The zero value works: it keeps nothing, and refuses private addresses. Fields must not change once
// it is used; methods are safe for concurrent use.
type Client struct {
	// Terms are what may change while the client is used; nil: the zero Terms. It is called for each download.
	Terms func() *Terms
	// Timeout limits a download as a whole; zero means 30 seconds.
	Timeout time.Duration
	// MaxSize is the size of the largest file, unpacked, in bytes; zero means 25 MiB.
	MaxSize int64
	// PerHost is the number of downloads from one host at a time; zero means 4.
	PerHost int
	// Memory is how many bytes of files are kept in memory; zero means 64 MiB.
	Memory int64
	// Store keeps files beyond that, and for other programs; nil: there is none.
	Store Store
	// Resolver looks hosts up; nil: net.DefaultResolver.
	Resolver Resolver
	// Log is told of each download once it is over, with its address without a password, when it began, and what time
	// it took; nil: nobody is.
	Log func(url string, at time.Time, took time.Duration)
	// Logger is told when the Store cannot be used, once a minute at most. Nil: slog.Default.
	Logger *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	complaint atomic.Int64 // when the Store was complained about, in seconds since 1970

	mu      sync.Mutex
	closed  bool
	memory  lru.Cache[string, result] // by address
	flights map[string]*flight
	hosts   map[string]*host
	running sync.WaitGroup
}

// Terms are what an operator may change at any time. The zero value keeps nothing.
type Terms struct {
	// Blacklist are addresses that nothing is downloaded from, beside private ones.
	Blacklist []Range
	// Whitelist are exceptions to the Blacklist, and to private addresses being refused.
	Whitelist []Range
	// Proxy is the address of a proxy: http://, https://, socks:// or socks5://, with a login perhaps; "": none. The
	// proxy itself may have any address.
	Proxy string
	// UserAgent is the header field of that name; "": Sluice.
	UserAgent string
	// TTL is how long a file is kept at most; zero: not at all.
	TTL time.Duration
}

// Store keeps files under a key. A *bodystore.Store is one. An error of Fetch wraps queue.ErrNotFound when there is no
// such file; a body that has a method Close is closed.
type Store interface {
	Put(ctx context.Context, key string, file queue.Body, expires time.Time) error
	Fetch(ctx context.Context, key string) (queue.Body, error)
}

// File is what was downloaded. It is shared, and must not be changed.
type File struct {
	Data []byte
	Type string // media type with its parameters, as the server states it; "": none that makes sense
	Name string // without a path; "": unknown
}

// flight is a download that somebody waits for.
type flight struct {
	waiting int // guarded by Client.mu
	cancel  context.CancelFunc
	done    chan struct{}
	result  // once done is closed
}

// result is what became of an address: a file or a failure.
type result struct {
	file *File
	err  *Error
}

func (r result) error() error {
	if r.err != nil {
		return r.err
	}
	return nil
}

// weight is what a result counts for, with the memory around it.
func (r result) weight() int64 {
	if r.file == nil {
		return 1024
	}
	return 1024 + int64(len(r.file.Data))
}

// host are the downloads from one host.
type host struct {
	room  chan struct{}
	users int // guarded by Client.mu
}

const (
	failureTTL = 30 * time.Second // how long a failure is remembered
	storeTime  = 10 * time.Second // how long a store may take
)

// Fetch downloads what an address names, unless that is known already. An error is an *Error.
func (c *Client) Fetch(ctx context.Context, address string) (*File, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, &Error{URL: "an address that is none", Reason: "malformed address"}
	}
	u.Fragment, u.RawFragment = "", ""
	if err := checkURL(u); err != nil {
		return nil, failure(u, err)
	}
	if known, ok := c.remembered(u); ok {
		return known.file, known.error()
	}
	f := c.join(u)
	if f == nil {
		return nil, failure(u, temporary("the program is ending"))
	}
	defer c.leave(u, f)
	select {
	case <-f.done:
		return f.file, f.error()
	case <-ctx.Done():
		return nil, failure(u, ctx.Err())
	}
}

// remembered returns what is known of an address.
func (c *Client) remembered(u *url.URL) (result, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.memory.Get(u.String(), c.now())
}

// remember keeps a result until a time. One that would take more than a quarter of the memory is left to the store.
func (c *Client) remember(u *url.URL, r result, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.memory.Limit = cmp.Or(c.Memory, 64<<20)
	if until.After(c.now()) && r.weight() <= c.memory.Limit/4 {
		c.memory.Put(u.String(), r, r.weight(), until)
	}
}

// Close ends all downloads and waits for them. Fetch fails from then on.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	for _, f := range c.flights {
		f.cancel()
	}
	c.mu.Unlock()
	c.running.Wait()
}

// join waits for the download of an address with all others who do, and begins it for the first; nil: the client is
// closed.
func (c *Client) join(u *url.URL) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	key := u.String()
	f := c.flights[key]
	if f == nil {
		ctx, cancel := context.WithCancel(context.Background())
		f = &flight{cancel: cancel, done: make(chan struct{})}
		if c.flights == nil {
			c.flights = make(map[string]*flight)
		}
		c.flights[key] = f
		c.running.Go(func() { c.fly(ctx, u, f) })
	}
	f.waiting++
	return f
}

// leave ends a download that nobody waits for any more.
func (c *Client) leave(u *url.URL, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		c.land(u, f)
	}
}

// land has whoever comes next begin another download. The caller holds mu.
func (c *Client) land(u *url.URL, f *flight) {
	if key := u.String(); c.flights[key] == f {
		delete(c.flights, key)
	}
}

// fly sees to what a flight is for, and remembers what became of it.
func (c *Client) fly(ctx context.Context, u *url.URL, f *flight) {
	file, until, err := c.obtain(ctx, u)
	if err != nil {
		f.err, until = failure(u, err), c.now().Add(failureTTL)
	}
	f.file = file
	if ctx.Err() == nil {
		c.remember(u, f.result, until)
	}
	c.mu.Lock()
	c.land(u, f)
	c.mu.Unlock()
	close(f.done)
}

// obtain returns a file from the store, or from where it is, and until when it may be kept.
func (c *Client) obtain(ctx context.Context, u *url.URL) (*File, time.Time, error) {
	t := c.terms()
	if file, until, ok := c.stored(ctx, u, t.TTL); ok {
		return file, until, nil
	}
	free, err := c.enter(ctx, u.Host)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer free()
	file, until, err := c.download(ctx, t, u)
	if err == nil && until.After(c.now()) {
		c.keep(ctx, u, file, until)
	}
	return file, until, err
}

// enter waits until a host has room for another download.
func (c *Client) enter(ctx context.Context, name string) (free func(), err error) {
	c.mu.Lock()
	h := c.hosts[name]
	if h == nil {
		h = &host{room: make(chan struct{}, cmp.Or(c.PerHost, 4))}
		if c.hosts == nil {
			c.hosts = make(map[string]*host)
		}
		c.hosts[name] = h
	}
	h.users++
	c.mu.Unlock()
	forget := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(c.hosts, name)
		}
	}
	select {
	case h.room <- struct{}{}:
		return func() { <-h.room; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, ctx.Err()
	}
}

// stored returns what the store has of an address and may still be used.
func (c *Client) stored(ctx context.Context, u *url.URL, ttl time.Duration) (*File, time.Time, bool) {
	if c.Store == nil || ttl <= 0 {
		return nil, time.Time{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	body, err := c.Store.Fetch(ctx, storeKey(u.String()))
	if err != nil {
		c.complain("reading", err)
		return nil, time.Time{}, false
	}
	if closer, ok := body.(io.Closer); ok {
		defer closer.Close()
	}
	data, err := queue.ReadBody(body)
	if err != nil {
		c.complain("reading", err)
		return nil, time.Time{}, false
	}
	file, until, err := decode(data)
	if err != nil {
		c.complain("reading", err)
		return nil, time.Time{}, false
	}
	// A time beyond the TTL is of a TTL that was longer.
	fresh := until.Sub(c.now())
	return file, until, 0 < fresh && fresh <= ttl
}

// keep puts a file into the store.
func (c *Client) keep(ctx context.Context, u *url.URL, file *File, until time.Time) {
	if c.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	data, err := encode(file, until)
	if err == nil {
		err = c.Store.Put(ctx, storeKey(u.String()), queue.Bytes(data), until)
	}
	if err != nil {
		c.complain("writing", err)
	}
}

// complain tells of a store that cannot be used. Mail goes on without it.
func (c *Client) complain(doing string, err error) {
	if errors.Is(err, queue.ErrNotFound) || errors.Is(err, context.Canceled) {
		return
	}
	now := c.now().Unix()
	if last := c.complaint.Load(); now-last < 60 || !c.complaint.CompareAndSwap(last, now) {
		return
	}
	log := c.Logger
	if log == nil {
		log = slog.Default()
	}
	log.Warn("the cache of downloads cannot be used; files are downloaded again", "doing", doing, "error", err)
}

func (c *Client) terms() *Terms {
	if c.Terms == nil {
		return &Terms{}
	}
	return c.Terms()
}

func (c *Client) timeout() time.Duration { return cmp.Or(c.Timeout, 30*time.Second) }

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

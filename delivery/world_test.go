package delivery_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an engine with everything around it: a queue in memory, a router and a sender that do as they are told, and
// a monitor that writes everything down.
type world struct {
	*delivery.Engine
	t      testing.TB
	queue  queue.Queue
	router *router
	sender *sender
	events *recorder
	ended  chan error
	cancel context.CancelFunc
}

// newWorld makes a world in which everything works at once.
func newWorld(t testing.TB) *world {
	w := &world{t: t, queue: memory.New(), router: newRouter(), events: &recorder{}, ended: make(chan error, 1)}
	w.sender = &sender{t: t}
	w.Engine = &delivery.Engine{
		Queue: w.queue, Router: w.router, Sender: w.sender, Monitor: w.events,
		Logger: slog.New(slog.DiscardHandler),
		Names:  delivery.QueueNames{Results: "results", Success: "success", Failure: "failure", Retry: "retry"},
	}
	return w
}

// inBubble runs a test in synthetic time, and ends the engine afterwards in whatever state it is.
func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() {
			if w.cancel != nil {
				w.cancel()
				<-w.ended
			}
			require.NoError(t, w.queue.Close())
		}()
		f(t, w)
	})
}

// start runs the engine.
func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go func() { w.ended <- w.Run(ctx) }()
}

// shutDown ends the engine gracefully and checks that its books balance.
func (w *world) shutDown() {
	w.t.Helper()
	require.NoError(w.t, w.Shutdown(context.Background()))
	require.NoError(w.t, <-w.ended)
	w.ended <- nil
	w.events.balance(w.t)
}

// settled waits until nothing moves any more.
func (w *world) settled() { synctest.Wait() }

// sleep lets d pass and then waits until nothing moves any more.
func (w *world) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// mail makes a message to a recipient.
func mail(recipient string) *queue.Message {
	return &queue.Message{Envelope: "sender@sluice.test", Recipient: recipient, ID: recipient,
		Body: queue.Bytes("From: a@sluice.test\r\nSubject: hello\r\n\r\nhello\r\n")}
}

func (w *world) publish(messages ...*queue.Message) {
	w.t.Helper()
	for _, m := range messages {
		require.NoError(w.t, w.queue.Publish(context.Background(), queue.Item{Queue: "outbox", Message: m}))
	}
}

// publishMany publishes n messages to addresses of a domain.
func (w *world) publishMany(n int, domain string) {
	w.t.Helper()
	for i := range n {
		w.publish(mail(fmt.Sprintf("r%d@%s", i, domain)))
	}
}

// take removes and returns what is in a queue.
func (w *world) take(name string) (all []*queue.Message) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	want := w.stats(name).Ready
	if want == 0 {
		return nil
	}
	require.NoError(w.t, w.queue.Consume(ctx, name, queue.ConsumeOptions{}, func(d *queue.Delivery) {
		all = append(all, d.Message)
		require.NoError(w.t, d.Settle(context.Background()))
		if len(all) == want {
			cancel()
		}
	}))
	return all
}

// one returns the only message of a queue.
func (w *world) one(name string) *queue.Message {
	w.t.Helper()
	all := w.take(name)
	require.Len(w.t, all, 1, "messages in queue %s", name)
	return all[0]
}

// stats counts what is in a queue.
func (w *world) stats(name string) queue.Stats {
	w.t.Helper()
	all, err := w.queue.(queue.Inspector).Queues(context.Background())
	require.NoError(w.t, err)
	for _, s := range all {
		if s.Queue == name {
			return s
		}
	}
	return queue.Stats{}
}

// left returns how many messages a queue has, in whatever state.
func (w *world) left(name string) int {
	s := w.stats(name)
	return s.Ready + s.Delayed + s.Parked + s.Out
}

// last returns the last result of a message as "state/result code".
func last(m *queue.Message) string {
	if len(m.Results) == 0 {
		return "none"
	}
	return pair(m.Results[len(m.Results)-1])
}

func pair(r queue.Result) string { return fmt.Sprintf("%s/%s %d", r.State, r.Result, r.Code) }

func pairs(m *queue.Message) (all []string) {
	for _, r := range m.Results {
		all = append(all, pair(r))
	}
	return all
}

// router knows every domain: its mail goes to one host of its own name. It can be told otherwise.
type router struct {
	mu        sync.Mutex
	routes    map[string]*delivery.Route
	errs      map[string]error
	addresses map[string][]netip.Addr
	cold      map[string]bool // to be looked up

	// lookUp is called during Route.
	lookUp func(ctx context.Context, domain string) error
	asked  atomic.Int64
	asking atomic.Int64
	most   atomic.Int64
}

func newRouter() *router {
	return &router{routes: map[string]*delivery.Route{}, errs: map[string]error{}, addresses: map[string][]netip.Addr{},
		cold: map[string]bool{}}
}

func (r *router) Cached(domain string) (*delivery.Route, error, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cold[domain] {
		return nil, nil, false
	}
	route, err := r.find(domain)
	return route, err, true
}

func (r *router) find(domain string) (*delivery.Route, error) {
	if err := r.errs[domain]; err != nil {
		return nil, err
	}
	if route := r.routes[domain]; route != nil {
		return route, nil
	}
	route := &delivery.Route{Site: domain, Hosts: []delivery.Host{{Name: "mx." + domain}}}
	r.routes[domain] = route
	return route, nil
}

func (r *router) Route(ctx context.Context, domain string) (*delivery.Route, error) {
	r.asked.Add(1)
	now := r.asking.Add(1)
	defer r.asking.Add(-1)
	for most := r.most.Load(); now > most && !r.most.CompareAndSwap(most, now); most = r.most.Load() {
	}
	if r.lookUp != nil {
		if err := r.lookUp(ctx, domain); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.cold, domain)
	return r.find(domain)
}

func (r *router) Addresses(_ context.Context, host delivery.Host) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.errs[host.Name]; err != nil {
		return nil, err
	}
	if addrs := r.addresses[host.Name]; addrs != nil {
		return addrs, nil
	}
	h := fnv.New32a()
	h.Write([]byte(host.Name))
	return []netip.Addr{netip.AddrFrom4([4]byte(h.Sum(nil)))}, nil
}

// route sets the hosts of domains, all of them of one site, in order of preference.
func (r *router) route(site string, domains []string, hosts ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	route := &delivery.Route{Site: site}
	for i, h := range hosts {
		route.Hosts = append(route.Hosts, delivery.Host{Name: h, Preference: uint16(10 * (i + 1))})
	}
	for _, d := range domains {
		r.routes[d] = route
	}
}

func (r *router) chill(domains ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range domains {
		r.cold[d] = true
	}
}

// sender makes connections that do as they are told, and checks that the engine keeps to the contract.
type sender struct {
	announced delivery.Announced // by each connection
	opening   monitor.Stages
	t         testing.TB
	// open is called by Open, with the number of the connection, counted from 1; nil: succeeds at once.
	open func(ctx context.Context, hop *delivery.Hop, n int) error
	// mail is called by Deliver; nil: accepts at once.
	mail func(ctx context.Context, c *conn, tx *delivery.Transaction)
	// idle is called by Idle; nil: waits for ctx.
	idle func(ctx context.Context, c *conn) bool
	// overlap has the mail that is begun marked in its transaction when the connection breaks.
	opened atomic.Int64
	alive  atomic.Int64
	most   atomic.Int64

	mu    sync.Mutex
	hops  []delivery.Hop
	sent  []sentMail
	began int
}

type sentMail struct {
	recipient string
	conn      int
	at        time.Time
}

func (s *sender) Open(ctx context.Context, hop *delivery.Hop) (delivery.Connection, error) {
	n := int(s.opened.Add(1))
	s.mu.Lock()
	s.hops = append(s.hops, *hop)
	s.mu.Unlock()
	if s.open != nil {
		if err := s.open(ctx, hop, n); err != nil {
			return nil, err
		}
	}
	now := s.alive.Add(1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	return &conn{s: s, hop: hop, n: n}, nil
}

// recipients returns to whom mail was sent, in order.
func (s *sender) recipients() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.sent {
		all = append(all, m.recipient)
	}
	return all
}

// all returns what was sent, in order.
func (s *sender) all() []sentMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

func (s *sender) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

// targets returns the addresses that were connected to.
func (s *sender) targets() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hops {
		all = append(all, h.Target.Addr().String())
	}
	return all
}

type conn struct {
	s      *sender
	hop    *delivery.Hop
	n      int
	mails  int // that came, this one included
	broken bool
	closed bool
	next   *delivery.Transaction
	busy   atomic.Bool
}

// Opening implements delivery.Timed.
func (c *conn) Opening() monitor.Stages { return c.s.opening }

// Limits implements delivery.Limited.
func (c *conn) Limits() delivery.Announced { return c.s.announced }

// enter checks that one goroutine is at work at a time.
func (c *conn) enter(what string) func() {
	if !c.busy.CompareAndSwap(false, true) {
		c.s.t.Errorf("connection %d: %s during another call", c.n, what)
	}
	if c.closed {
		c.s.t.Errorf("connection %d: %s after Close", c.n, what)
	}
	return func() { c.busy.Store(false) }
}

func (c *conn) Deliver(ctx context.Context, tx, next *delivery.Transaction) {
	defer c.enter("Deliver")()
	if c.next != nil && c.next != tx {
		c.s.t.Errorf("connection %d: another mail than the one that was begun", c.n)
	}
	if tx.Message == nil || tx.Body == nil || next == tx {
		c.s.t.Errorf("connection %d: incomplete transaction", c.n)
	}
	c.next = nil
	tx.Result, tx.Unsent = queue.Result{}, false
	if c.broken {
		c.s.t.Errorf("connection %d: mail over a broken connection", c.n)
	}
	c.mails++
	c.s.mu.Lock()
	c.s.sent = append(c.s.sent, sentMail{tx.Message.Recipient, c.n, time.Now()})
	if next != nil {
		c.s.began++
	}
	c.s.mu.Unlock()
	c.next = next
	if c.s.mail != nil {
		c.s.mail(ctx, c, tx)
	} else {
		c.accept(tx)
	}
	if c.broken {
		c.giveUp()
	}
}

func (c *conn) giveUp() {
	if c.next != nil {
		c.next.Unsent = true
		c.next.Result = queue.Result{State: queue.StateIdle, Result: queue.Lost, Description: "given up"}
		c.next = nil
	}
}

func (c *conn) accept(tx *delivery.Transaction) { c.reply(tx, queue.StateMessage, 250, "queued") }

// reply settles a mail with a reply; 421 ends the connection.
func (c *conn) reply(tx *delivery.Transaction, state queue.ResultState, code int, text string) {
	r := queue.Result{State: state, Result: queue.Error, Code: code, Description: text, MTA: c.hop.Host,
		From: "192.0.2.250", To: c.hop.Target.Addr().String(), Messages: c.mails}
	if code < 400 {
		r.Result = queue.Accepted
	}
	tx.Result, tx.Text = r, fmt.Sprintf("%d %s", code, text)
	c.broken = c.broken || code == 421
}

// lose ends the connection during a mail.
func (c *conn) lose(tx *delivery.Transaction, state queue.ResultState, how queue.Outcome, unsent bool) {
	c.broken = true
	tx.Result = queue.Result{State: state, Result: how, Description: "broke"}
	tx.Unsent = unsent
}

// sleep waits in a mail; false means that ctx ended, and the mail is settled as broken off.
func (c *conn) sleep(ctx context.Context, tx *delivery.Transaction, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		c.lose(tx, queue.StateMessage, queue.Lost, true)
		return false
	}
}

func (c *conn) Usable() bool { return !c.broken && !c.closed }

func (c *conn) Idle(ctx context.Context) bool {
	defer c.enter("Idle")()
	if c.s.idle != nil {
		if !c.s.idle(ctx, c) {
			c.broken = true
		}
		return !c.broken
	}
	<-ctx.Done()
	return true
}

func (c *conn) Close() error {
	defer c.enter("Close")()
	c.giveUp()
	c.closed = true
	c.s.alive.Add(-1)
	return nil
}

// failure makes what Open returns.
func failure(state queue.ResultState, how queue.Outcome, code int) *delivery.Failure {
	return &delivery.Failure{Result: queue.Result{State: state, Result: how, Code: code, Description: "no"},
		Temporary: true}
}

// recorder is a monitor that writes everything down.
type recorder struct {
	mu    sync.Mutex
	kinds [monitor.ConnClosed + 1]int
	log   []monitor.Event
}

func (r *recorder) Observe(e *monitor.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds[e.Kind]++
	if len(r.log) < 10000 {
		r.log = append(r.log, *e)
	}
}

func (r *recorder) Tap(monitor.Session) monitor.Transcript {
	return monitor.Discard.Tap(monitor.Session{})
}

func (r *recorder) count(k monitor.Kind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kinds[k]
}

func (r *recorder) all(k monitor.Kind) (found []monitor.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.log {
		if e.Kind == k {
			found = append(found, e)
		}
	}
	return found
}

// balance checks, once all is over, that everything that began has ended.
func (r *recorder) balance(t testing.TB) {
	t.Helper()
	require.Equal(t, r.count(monitor.Picked), r.count(monitor.Left)+r.count(monitor.Parked), "Picked = Left + Parked")
	require.Equal(t, r.count(monitor.ConnStarting), r.count(monitor.ConnReady)+r.count(monitor.ConnFailed),
		"ConnStarting = ConnReady + ConnFailed")
	require.Equal(t, r.count(monitor.ConnReady), r.count(monitor.ConnClosed), "ConnReady = ConnClosed")
	require.Equal(t, r.count(monitor.ConnIdle), r.count(monitor.ConnBusy), "ConnIdle = ConnBusy")
}

// domainOf is what follows the @.
func domainOf(recipient string) string {
	_, domain, _ := strings.Cut(recipient, "@")
	return domain
}

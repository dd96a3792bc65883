package bodystore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/disk"
	"github.com/sluicemail/sluice/queue/memory"
	"github.com/sluicemail/sluice/queue/queuetest"
)

// TestMain lets many cases of the examiner run at once: most of them wait most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// kept is a store in memory that counts.
type kept struct {
	mu    sync.Mutex
	mails map[string][]byte
	until map[string]time.Time
	puts  int
	fail  error
}

func newKept() *kept { return &kept{mails: map[string][]byte{}, until: map[string]time.Time{}} }

func (k *kept) Put(ctx context.Context, key string, r io.Reader, size int64, expires time.Time) error {
	data, err := io.ReadAll(r)
	if err == nil && int64(len(data)) != size {
		err = io.ErrUnexpectedEOF
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err = errors.Join(err, k.fail, ctx.Err()); err != nil {
		return err
	}
	k.puts++
	k.mails[key], k.until[key] = data, expires
	return nil
}

func (k *kept) Get(_ context.Context, key string) (io.ReadCloser, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if data, ok := k.mails[key]; ok {
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	return nil, bodystore.ErrNotFound
}

func (k *kept) Sweep(context.Context, time.Time) (int, error) { return 0, nil }
func (k *kept) Close() error                                  { return nil }

func always(p bodystore.Policy) func() bodystore.Terms {
	return func() bodystore.Terms { return bodystore.Terms{Policy: p, TTL: time.Hour} }
}

// fetching gives consumers mails instead of keys, as far as the wrapped queue made them. What an Inspector says of the
// size of a mail that is not in the queue is not what the examiner expects, so that there is one only when the mails
// are.
type fetching struct {
	queue.Queue
	queue.Parker
	store *bodystore.Store
}

type fetchingInspector struct {
	*fetching
	queue.Inspector
}

func newFetching(q queue.Queue, p bodystore.Policy, driver bodystore.Driver) queue.Queue {
	store := &bodystore.Store{Driver: driver, Parallel: 64}
	wrapped := bodystore.Wrap(q, store, always(p))
	f := &fetching{wrapped, wrapped.(queue.Parker), store}
	if p == bodystore.None {
		return fetchingInspector{f, wrapped.(queue.Inspector)}
	}
	return f
}

func (f *fetching) Atomic() bool { return f.Queue.(queue.Atomic).Atomic() }

func (f *fetching) Consume(ctx context.Context, name string, opts queue.ConsumeOptions,
	handle func(*queue.Delivery)) error {
	return f.Queue.Consume(ctx, name, opts, func(d *queue.Delivery) {
		fetch(f.store, d.Message)
		handle(d)
	})
}

func fetch(store *bodystore.Store, m *queue.Message) {
	if m == nil || m.Body != nil || m.Extra[bodystore.Size] == nil {
		return
	}
	mail, err := store.Get(context.Background(), m.Key)
	if err != nil {
		return // the examiner will miss it
	}
	defer mail.Close()
	data, _ := queue.ReadBody(mail)
	m.Body, m.Key = queue.Bytes(data), ""
	extra := m.Extra
	m.Extra = nil
	for name, value := range extra {
		if name != bodystore.Size {
			if m.Extra == nil {
				m.Extra = map[string]json.RawMessage{}
			}
			m.Extra[name] = value
		}
	}
}

// TestExaminer examines wrapped engines, with each policy, through a reader that fetches mails.
func TestExaminer(t *testing.T) {
	for name, policy := range map[string]bodystore.Policy{"none": bodystore.None, "in": bodystore.In, "out": bodystore.Out,
		"all": bodystore.All} {
		t.Run("memory, "+name, func(t *testing.T) {
			t.Parallel()
			queuetest.Run(t, func(*testing.T) queue.Queue { return newFetching(memory.New(), policy, newKept()) },
				queuetest.Options{})
		})
	}
	for name, policy := range map[string]bodystore.Policy{"none": bodystore.None, "all": bodystore.All} {
		t.Run("disk, "+name, func(t *testing.T) {
			t.Parallel()
			var places sync.Map // of queues
			type place struct {
				dir    string
				driver bodystore.Driver
			}
			open := func(t *testing.T, p place) queue.Queue {
				q, err := disk.Open(p.dir, disk.Options{})
				require.NoError(t, err)
				f := newFetching(q, policy, p.driver)
				places.Store(f, p)
				return f
			}
			queuetest.Run(t, func(t *testing.T) queue.Queue { return open(t, place{t.TempDir(), newKept()}) },
				queuetest.Options{Reopen: func(t *testing.T, q queue.Queue) queue.Queue {
					p, _ := places.Load(q)
					require.NoError(t, q.Close())
					return open(t, p.(place))
				}})
		})
	}
}

func mailTo(id string, body queue.Body) *queue.Message {
	return &queue.Message{ID: id, Recipient: id + "@example.com", Body: body}
}

// take returns the next deliveries of a queue.
func take(t *testing.T, q queue.Queue, name string, n int) []*queue.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var all []*queue.Delivery
	require.NoError(t, q.Consume(ctx, name, queue.ConsumeOptions{Prefetch: n + 1}, func(d *queue.Delivery) {
		if all = append(all, d); len(all) == n {
			cancel()
		}
	}))
	require.Len(t, all, n)
	return all
}

// TestPolicies follows one mail in, and its retry and its result out.
func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		policy  bodystore.Policy
		in, out bool // in the store
		puts    int
	}{
		{bodystore.None, false, false, 0},
		{bodystore.In, true, true, 1}, // what came in with a key keeps it
		{bodystore.Out, false, true, 1},
		{bodystore.All, true, true, 1},
	} {
		driver := newKept()
		q := bodystore.Wrap(memory.New(), &bodystore.Store{Driver: driver}, always(c.policy))
		text := "Subject: x\r\n\r\nhello"
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: mailTo("m", queue.Bytes(text))}))
		d := take(t, q, "outbox", 1)[0]
		require.Equal(t, c.in, d.Message.Key != "")
		require.Equal(t, c.in, d.Message.Body == nil)
		if c.in {
			require.Equal(t, text, string(driver.mails[d.Message.Key]))
			require.Equal(t, fmt.Sprint(len(text)), string(d.Message.Extra[bodystore.Size]))
		}
		require.NoError(t, d.Settle(t.Context(), queue.Item{Queue: "outbox", Message: d.Message},
			queue.Item{Queue: "results", Message: d.Message}))
		for _, name := range []string{"outbox", "results"} {
			d := take(t, q, name, 1)[0]
			require.Equal(t, c.out, d.Message.Key != "", "%d %s", c.policy, name)
			require.Equal(t, c.out, d.Message.Body == nil)
		}
		require.Equal(t, c.puts, driver.puts)
		require.NoError(t, q.Close())
	}
}

// TestOnce puts a mail to many recipients once, and different mails under different keys.
func TestOnce(t *testing.T) {
	driver := newKept()
	q := bodystore.Wrap(memory.New(), &bodystore.Store{Driver: driver}, always(bodystore.In))
	defer q.Close()
	var items []queue.Item
	shared, other := queue.Bytes("to all of you"), queue.Bytes("to some of you")
	for i := range 100 {
		items = append(items, queue.Item{Queue: "outbox", Message: mailTo(fmt.Sprint(i), shared)},
			queue.Item{Queue: "outbox", Message: mailTo(fmt.Sprint(i, "b"), other)})
	}
	require.NoError(t, q.Publish(t.Context(), items...))
	require.NoError(t, q.Publish(t.Context(), items[0]))
	require.Equal(t, 3, driver.puts)
	require.Len(t, driver.mails, 3)
	require.NotNil(t, items[0].Message.Body, "the publisher's message is not changed")
	for _, d := range take(t, q, "outbox", 201) {
		want := string(shared)
		if strings.HasSuffix(d.Message.ID, "b") {
			want = string(other)
		}
		require.Equal(t, want, string(driver.mails[d.Message.Key]))
	}
}

// TestOwnKey leaves alone what has a key, and puts nothing for what was fetched.
func TestOwnKey(t *testing.T) {
	driver := newKept()
	store := &bodystore.Store{Driver: driver}
	q := bodystore.Wrap(memory.New(), store, always(bodystore.All))
	defer q.Close()
	require.NoError(t, store.Put(t.Context(), "news", queue.Bytes("stored"), time.Now().Add(time.Hour)))
	fetched, err := store.Get(t.Context(), "news")
	require.NoError(t, err)
	only := mailTo("key", nil)
	both, mine := mailTo("both", queue.Bytes("another")), mailTo("mine", fetched)
	only.Key, both.Key, mine.Key = "news", "news", "news"
	for _, m := range []*queue.Message{only, both, mine} {
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: m.ID, Message: m}))
		got := take(t, q, m.ID, 1)[0].Message
		require.Equal(t, "news", got.Key)
		require.Equal(t, m == both, got.Body != nil)
	}
	require.Equal(t, 1, driver.puts)
	require.Equal(t, "stored", string(driver.mails["news"]), "nobody's mail is replaced by that of another message")
}

// TestFails publishes nothing when the mail could not be put, and says which kind of failure it was.
func TestFails(t *testing.T) {
	for cause, want := range map[error]error{
		errors.New("no route to host"): queue.ErrUnavailable, context.DeadlineExceeded: queue.ErrUnavailable,
		syscall.ENOSPC: queue.ErrFull, bodystore.ErrFull: queue.ErrFull,
	} {
		driver := newKept()
		q := bodystore.Wrap(memory.New(), &bodystore.Store{Driver: driver}, always(bodystore.All))
		driver.fail = cause
		err := q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: mailTo("m", queue.Bytes("x"))})
		require.ErrorIs(t, err, want)
		require.ErrorIs(t, err, cause)
		stats, err := q.(queue.Inspector).Queues(t.Context())
		require.NoError(t, err)
		for _, s := range stats {
			require.Zero(t, s.Ready)
		}
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: mailTo("none", nil)}),
			"it needs no store")
		d := take(t, q, "outbox", 1)[0]
		out := queue.Item{Queue: "results", Message: mailTo("r", queue.Bytes("y"))}
		require.ErrorIs(t, d.Settle(t.Context(), out), want)
		driver.fail = nil
		require.NoError(t, d.Settle(t.Context(), out), "it can be settled once the store is back")
		require.NoError(t, q.Close())
	}
}

// failingQueue refuses to settle for a while.
type failingQueue struct {
	queue.Queue
	failures atomic.Int64
}

func (f *failingQueue) Consume(ctx context.Context, name string, opts queue.ConsumeOptions,
	handle func(*queue.Delivery)) error {
	return f.Queue.Consume(ctx, name, opts, func(inner *queue.Delivery) {
		d := queue.NewDelivery(failingDriver{f, inner})
		d.Queue, d.Message = inner.Queue, inner.Message
		handle(d)
	})
}

type failingDriver struct {
	f     *failingQueue
	inner *queue.Delivery
}

func (r failingDriver) Settle(ctx context.Context, _ *queue.Delivery, items []queue.Item) error {
	if r.f.failures.Add(-1) >= 0 {
		return queue.ErrUnavailable
	}
	return r.inner.Settle(ctx, items...)
}

func (r failingDriver) Release(ctx context.Context, _ *queue.Delivery) error {
	return r.inner.Release(ctx)
}

// TestRepeated settles again and again while a broker is away, without putting the mail each time; and a queue without
// add-ons has none when it is wrapped.
func TestRepeated(t *testing.T) {
	driver, inner := newKept(), &failingQueue{Queue: memory.New()}
	inner.failures.Store(3)
	q := bodystore.Wrap(inner, &bodystore.Store{Driver: driver}, always(bodystore.Out))
	defer q.Close()
	_, inspects := q.(queue.Inspector)
	_, parks := q.(queue.Parker)
	_, counts := q.(queue.ConsumerCounter)
	require.False(t, inspects || parks || counts)
	require.False(t, q.(queue.Atomic).Atomic())
	require.Same(t, inner, q.(interface{ Unwrap() queue.Queue }).Unwrap())
	require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: mailTo("m", queue.Bytes("x"))}))
	d := take(t, q, "outbox", 1)[0]
	for range 3 {
		require.ErrorIs(t, d.Settle(t.Context(), queue.Item{Queue: "outbox", Message: d.Message}), queue.ErrUnavailable)
	}
	require.NoError(t, d.Settle(t.Context(), queue.Item{Queue: "outbox", Message: d.Message}))
	require.ErrorIs(t, d.Settle(t.Context()), queue.ErrSettled)
	require.Equal(t, 1, driver.puts)
}

// TestExpires keeps a mail for as long as any of its messages needs it.
func TestExpires(t *testing.T) {
	driver := newKept()
	terms := bodystore.Terms{Policy: bodystore.In, TTL: time.Hour, Lifetime: 2 * time.Hour, Waiting: 3 * time.Hour}
	q := bodystore.Wrap(memory.New(), &bodystore.Store{Driver: driver}, func() bodystore.Terms { return terms })
	defer q.Close()
	body := queue.Bytes("x")
	now := time.Now()
	plain, late, limited := mailTo("plain", body), mailTo("late", body), mailTo("limited", body)
	late.NextAttempt = now.Add(100 * time.Hour)
	limited.MaxDeliverTime = now.Add(10 * time.Minute)
	until := func(messages ...*queue.Message) time.Duration {
		var items []queue.Item
		for _, m := range messages {
			items = append(items, queue.Item{Queue: "q", Message: m})
		}
		clear(driver.until)
		require.NoError(t, q.Publish(t.Context(), items...))
		for _, at := range driver.until {
			return at.Sub(now).Round(time.Minute)
		}
		return 0
	}
	require.Equal(t, 6*time.Hour, until(plain))
	require.Equal(t, 106*time.Hour, until(late))
	require.Equal(t, time.Hour+10*time.Minute, until(limited))
	require.Equal(t, 106*time.Hour, until(limited, late, plain))
}

// TestParkOthers refuses deliveries of another queue.
func TestParkOthers(t *testing.T) {
	inner := memory.New()
	q := bodystore.Wrap(inner, &bodystore.Store{Driver: newKept()}, always(bodystore.None))
	defer q.Close()
	require.NoError(t, inner.Publish(t.Context(), queue.Item{Queue: "outbox", Message: mailTo("m", queue.Bytes("x"))}))
	d := take(t, inner, "outbox", 1)[0]
	require.Error(t, q.(queue.Parker).Park(t.Context(), d, "example.com"))
	require.NoError(t, d.Release(t.Context()))
}

func TestParsePolicy(t *testing.T) {
	for name, want := range map[string]bodystore.Policy{"": bodystore.None, "none": bodystore.None, "in": bodystore.In,
		"out": bodystore.Out, "all": bodystore.All} {
		got, err := bodystore.ParsePolicy(name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := bodystore.ParsePolicy("some")
	require.ErrorContains(t, err, "expected none, in, out or all")
}

package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// store has mails by key, and counts those that are open.
type store struct {
	mu      sync.Mutex
	mails   map[string]string
	slow    map[string]time.Duration // until it answers; it ends with its ctx unless deaf is set
	deaf    bool
	err     error
	fetched []string
	open    atomic.Int64
}

// openMail is a mail of the store, which must not be read once it is closed.
type openMail struct {
	queue.Bytes
	s      *store
	closed atomic.Bool
}

func (m *openMail) ReadAt(p []byte, off int64) (int, error) {
	if m.closed.Load() {
		return 0, errors.New("read after Close")
	}
	return m.Bytes.ReadAt(p, off)
}

func (m *openMail) Close() error {
	if m.closed.Swap(true) {
		return errors.New("closed twice")
	}
	m.s.open.Add(-1)
	return nil
}

func (s *store) Fetch(ctx context.Context, key string) (queue.Body, error) {
	s.mu.Lock()
	text, ok := s.mails[key]
	wait, err := s.slow[key], s.err
	s.fetched = append(s.fetched, key)
	s.mu.Unlock()
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			if !s.deaf {
				return nil, ctx.Err()
			}
			time.Sleep(wait)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("nothing there: %w", queue.ErrNotFound)
	case text == "damaged":
		return nil, &queue.DamageError{Reason: "its checksum is wrong"}
	}
	s.open.Add(1)
	return &openMail{Bytes: queue.Bytes(text), s: s}, nil
}

const storedMail = "From: a@sluice.test\r\nSubject: stored\r\n\r\nhello from the store\r\n"

// keyed makes a message whose mail is in a store.
func keyed(recipient, key string) *queue.Message {
	m := mail(recipient)
	m.Body, m.Key = nil, key
	return m
}

// inStore runs a test with a store.
func inStore(t *testing.T, f func(t *testing.T, w *world, s *store)) {
	t.Helper()
	inBubble(t, func(t *testing.T, w *world) {
		s := &store{mails: map[string]string{"good": storedMail, "bad": "damaged"}, slow: map[string]time.Duration{}}
		w.Store = s
		w.StoreTimes = func() (time.Duration, time.Duration) { return 3 * time.Second, time.Minute }
		f(t, w, s)
		w.shutDown()
		require.Zero(t, s.open.Load(), "mails that were not closed")
	})
}

// TestFetch delivers a mail from the store, finished as any other, and keeps it in the result where that is wanted.
func TestFetch(t *testing.T) {
	for _, keep := range []bool{false, true} {
		inStore(t, func(t *testing.T, w *world, s *store) {
			var sent []string
			w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
				data, err := queue.ReadBody(tx.Body)
				require.NoError(t, err)
				sent = append(sent, string(data))
				c.accept(tx)
			}
			w.Finish = func(_ context.Context, _ *delivery.Hop, tx *delivery.Transaction) (queue.Body, error) {
				data, err := queue.ReadBody(tx.Body)
				return queue.Bytes("X-Finished: yes\r\n" + string(data)), err
			}
			m := keyed("a@example.com", "good")
			m.KeepMIME = keep
			w.publish(m)
			w.start()
			w.settled()
			require.Equal(t, []string{"X-Finished: yes\r\n" + storedMail}, sent)
			w.one("results")
			result := w.one("success")
			require.Equal(t, "message/accepted 250", last(result))
			require.Len(t, result.Results, 1)
			require.Equal(t, "good", result.Key)
			require.Equal(t, keep, result.Body != nil)
			var extracted struct{ Subject string }
			require.NoError(t, json.Unmarshal(result.Extracted, &extracted))
			require.Equal(t, "stored", extracted.Subject)
			if keep {
				data, err := queue.ReadBody(result.Body)
				require.NoError(t, err)
				require.Equal(t, storedMail, string(data))
			}
		})
	}
}

// TestFetchLate fetches nothing before a connection stands.
func TestFetchLate(t *testing.T) {
	inStore(t, func(t *testing.T, w *world, s *store) {
		connected := make(chan struct{})
		w.sender.open = func(context.Context, *delivery.Hop, int) error {
			<-connected
			return nil
		}
		w.publish(keyed("a@example.com", "good"))
		w.start()
		w.sleep(10 * time.Second)
		require.Empty(t, s.fetched)
		close(connected)
		w.settled()
		require.Equal(t, []string{"good"}, s.fetched)
		w.one("success")
	})
}

// TestFetchRetry keeps the mail of a retry in the store, and fetches it anew.
func TestFetchRetry(t *testing.T) {
	inStore(t, func(t *testing.T, w *world, s *store) {
		first := true
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			if first {
				first = false
				c.reply(tx, queue.StateRcptTo, 450, "later")
				return
			}
			c.accept(tx)
		}
		w.Retry.Intervals = []time.Duration{time.Minute}
		w.publish(keyed("a@example.com", "good"))
		w.start()
		w.settled()
		require.EqualValues(t, 0, w.stats("outbox").Bytes, "the mail does not move into the queue")
		require.Nil(t, w.one("retry").Body)
		w.sleep(2 * time.Minute)
		require.Equal(t, []string{"rcptto/error 450", "message/accepted 250"}, pairs(w.one("success")))
		require.Equal(t, []string{"good", "good"}, s.fetched)
	})
}

// TestFetchFailures ends messages whose mail is gone, and has the others wait without an attempt.
func TestFetchFailures(t *testing.T) {
	for name, c := range map[string]struct {
		key  string
		want string // the result; "": it waits
		prep func(*store)
	}{
		"not there": {key: "nothing", want: "storage/lost 554"},
		"damaged":   {key: "bad", want: "storage/invalid 554"},
		"down":      {key: "good", prep: func(s *store) { s.err = errors.New("connection refused") }},
		"slow":      {key: "good", prep: func(s *store) { s.slow["good"] = time.Hour }},
		"deaf":      {key: "good", prep: func(s *store) { s.slow["good"], s.deaf = 5*time.Second, true }},
	} {
		t.Run(name, func(t *testing.T) {
			inStore(t, func(t *testing.T, w *world, s *store) {
				if c.prep != nil {
					c.prep(s)
				}
				began := time.Now()
				w.publish(keyed("a@example.com", c.key), mail("b@example.com"))
				w.start()
				w.sleep(3 * time.Second)
				require.Equal(t, []string{"b@example.com"}, w.sender.recipients(), "the connection goes on with other mail")
				w.one("success")
				if c.want != "" {
					require.Equal(t, c.want, last(w.one("failure")))
					require.Equal(t, 1, w.events.count(monitor.NotTried))
					return
				}
				require.Equal(t, 1, w.stats("outbox").Delayed)
				require.Zero(t, w.left("retry"), "no attempt was made")
				s.mu.Lock()
				s.err, s.slow = nil, nil
				s.mu.Unlock()
				w.sleep(2 * time.Minute)
				m := w.one("success")
				require.Equal(t, []string{"message/accepted 250"}, pairs(m), "no attempt was counted")
				require.GreaterOrEqual(t, w.sender.all()[1].at.Sub(began), time.Minute)
			})
		})
	}
}

// TestFetchExpires gives a message up whose mail could not be fetched in all its time.
func TestFetchExpires(t *testing.T) {
	inStore(t, func(t *testing.T, w *world, s *store) {
		s.err = errors.New("connection refused")
		w.Retry.Lifetime = 150 * time.Second
		w.publish(keyed("a@example.com", "good"))
		w.start()
		w.sleep(4 * time.Minute)
		require.Equal(t, []string{"process/timeout 554"}, pairs(w.one("failure")))
	})
}

// TestFetchAhead fetches the mail that is next while another one is sent, also when that takes longer than a fetch may.
func TestFetchAhead(t *testing.T) {
	inStore(t, func(t *testing.T, w *world, s *store) {
		w.PathConnections = 1
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			time.Sleep(10 * time.Second)
			c.accept(tx)
		}
		s.slow["good"] = 2 * time.Second
		began := time.Now()
		for i := range 4 {
			w.publish(keyed(fmt.Sprintf("r%d@example.com", i), "good"))
		}
		w.start()
		w.sleep(50 * time.Second)
		all := w.sender.all()
		require.Len(t, all, 4)
		for i, m := range all {
			require.Equal(t, time.Duration(2+10*i)*time.Second, m.at.Sub(began))
		}
		require.Zero(t, w.sender.began, "no mail is begun that is not there")
		require.Len(t, w.take("success"), 4)
	})
}

// TestFetchConnectionBreaks gives mails back that were fetched for a connection that broke.
func TestFetchConnectionBreaks(t *testing.T) {
	inStore(t, func(t *testing.T, w *world, s *store) {
		w.PathConnections = 1
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			if c.n == 1 {
				c.broken = true
				tx.Unsent = true
				tx.Result = queue.Result{State: queue.StateIdle, Result: queue.Lost}
				return
			}
			c.accept(tx)
		}
		for i := range 3 {
			w.publish(keyed(fmt.Sprintf("r%d@example.com", i), "good"))
		}
		w.start()
		w.sleep(10 * time.Minute)
		require.Len(t, w.take("success"), 3)
	})
}

// TestFetchStops gives messages back, unchanged, when the engine stops while their mails are fetched.
func TestFetchStops(t *testing.T) {
	inStore(t, func(t *testing.T, w *world, s *store) {
		s.slow["good"] = time.Hour
		w.publish(keyed("a@example.com", "good"), keyed("b@example.com", "good"))
		w.start()
		w.sleep(time.Second)
		began := time.Now()
		require.NoError(t, w.Shutdown(context.Background()))
		require.Less(t, time.Since(began), time.Second, "nobody waits for the store")
		for _, m := range w.take("outbox") {
			require.Nil(t, m.Body)
			require.Empty(t, m.Results)
		}
	})
}

// bytesAccount notes what connections ask for.
type bytesThrottle struct {
	throttle.Throttler
	mu   sync.Mutex
	sent int64
	asks []int64
}

func (b *bytesThrottle) Connect(p throttle.Path, target netip.Addr) (throttle.Conn, throttle.Wait) {
	inner, wait := b.Throttler.Connect(p, target)
	if inner == nil {
		return nil, wait
	}
	return &bytesConn{inner, b}, wait
}

type bytesConn struct {
	throttle.Conn
	b *bytesThrottle
}

func (c *bytesConn) Send(size int64) throttle.Wait {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.b.sent += size
	c.b.asks = append(c.b.asks, size)
	return c.Conn.Send(size)
}

func (c *bytesConn) Cancel(size int64) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.b.sent -= size
	c.Conn.Cancel(size)
}

// TestFetchBytes accounts for the size that a message tells, and for the true one once it is known.
func TestFetchBytes(t *testing.T) {
	size := int64(len(storedMail))
	for name, c := range map[string]struct {
		property string
		asks     []int64
	}{
		"unknown": {"", []int64{0, size}},
		"known":   {fmt.Sprint(size), []int64{size}},
		"a text":  {fmt.Sprintf("%q", fmt.Sprint(size)), []int64{size}},
		"wrong":   {"5", []int64{5, size}},
		"absurd":  {"-1", []int64{0, size}},
		"a list":  {"[1]", []int64{0, size}},
	} {
		t.Run(name, func(t *testing.T) {
			inStore(t, func(t *testing.T, w *world, _ *store) {
				counts := &bytesThrottle{Throttler: throttle.Unlimited}
				w.Throttle = counts
				m := keyed("a@example.com", "good")
				if c.property != "" {
					m.Extra = map[string]json.RawMessage{"mime-size": json.RawMessage(c.property)}
				}
				w.publish(m)
				w.start()
				w.settled()
				w.one("success")
				require.Equal(t, c.asks, counts.asks)
				require.Equal(t, size, counts.sent)
			})
		})
	}
}

package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// renderer puts a line before mails, and counts them.
type renderer struct {
	calls atomic.Int32

	mu   sync.Mutex
	err  error
	slow time.Duration
}

// set changes what becomes of mails from now on.
func (r *renderer) set(err error, slow time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.slow = err, slow
}

func (r *renderer) render(ctx context.Context, m *queue.Message, body queue.Body) (queue.Body, error) {
	r.calls.Add(1)
	r.mu.Lock()
	failure, slow := r.err, r.slow
	r.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if failure != nil {
		return nil, failure
	}
	data, err := queue.ReadBody(body)
	return queue.Bytes("X-Data: " + string(m.Data) + "\r\n" + string(data)), err
}

// personal makes a message that is to be rendered.
func personal(recipient string) *queue.Message {
	m := mail(recipient)
	m.Data = []byte(`{}`)
	return m
}

// bodies has the sender note what goes over the wire.
func bodies(t *testing.T, w *world) *[]string {
	var sent []string
	w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
		data, err := queue.ReadBody(tx.Body)
		require.NoError(t, err)
		sent = append(sent, string(data))
		c.accept(tx)
	}
	return &sent
}

// TestRendered renders a message once before it is edited, and leaves others alone.
func TestRendered(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		r := &renderer{}
		w.Render = r.render
		w.Edit = func(_ context.Context, m *queue.Message) (queue.Body, error) {
			data, err := queue.ReadBody(m.Body)
			return queue.Bytes("X-Edited: yes\r\n" + string(data)), err
		}
		sent := bodies(t, w)
		plain, styled := mail("b@example.com"), mail("c@example.com")
		styled.InlineCSS = true
		source, err := queue.ReadBody(plain.Body)
		require.NoError(t, err)
		w.publish(personal("a@example.com"), plain, styled)
		w.start()
		w.settled()
		require.ElementsMatch(t, []string{"X-Edited: yes\r\nX-Data: {}\r\n" + string(source),
			"X-Edited: yes\r\n" + string(source),
			"X-Edited: yes\r\nX-Data: \r\n" + string(source)}, *sent)
		require.EqualValues(t, 2, r.calls.Load())
		require.Len(t, w.take("success"), 3)
		w.shutDown()
	})
}

// TestRenderedForEachAttempt has the mail of a retry as it came.
func TestRenderedForEachAttempt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		r := &renderer{}
		w.Render = r.render
		w.Retry.Intervals = []time.Duration{time.Minute}
		m := personal("a@example.com")
		source, err := queue.ReadBody(m.Body)
		require.NoError(t, err)
		var sent []string
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			data, err := queue.ReadBody(tx.Body)
			require.NoError(t, err)
			if sent = append(sent, string(data)); len(sent) == 1 {
				c.reply(tx, queue.StateRcptTo, 450, "later")
				return
			}
			c.accept(tx)
		}
		w.publish(m)
		w.start()
		w.sleep(2 * time.Minute)
		require.Equal(t, []string{"X-Data: {}\r\n" + string(source), "X-Data: {}\r\n" + string(source)}, sent)
		require.EqualValues(t, 2, r.calls.Load())
		require.Equal(t, []string{"rcptto/error 450", "message/accepted 250"}, pairs(w.one("success")))
		w.shutDown()
	})
}

// TestRenderedAhead begins a mail that is rendered behind the one before, as any other.
func TestRenderedAhead(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Render = (&renderer{}).render
		w.PathConnections = 1
		w.sender.mail = slow(time.Second)
		w.sender.open = oncePublished
		for i := range 4 {
			w.publish(personal(fmt.Sprintf("r%d@example.com", i)))
		}
		w.start()
		w.sleep(10 * time.Second)
		require.Len(t, w.take("success"), 4)
		require.Equal(t, 3, w.sender.began)
		w.shutDown()
	})
}

// TestNotRendered ends messages that cannot be rendered, and has the others wait without an attempt.
func TestNotRendered(t *testing.T) {
	final := failure(queue.StatePersonalize, queue.Error, 554)
	later := failure(queue.StateResponsive, queue.Error, 554)
	final.Temporary, later.Temporary = false, true
	for name, c := range map[string]struct {
		r    *renderer
		make func(*queue.Message)
		want string // the result; "": it waits
	}{
		"wrong":    {r: &renderer{err: final}, want: "personalize/error 554"},
		"not now":  {r: &renderer{err: later}},
		"too slow": {r: &renderer{slow: time.Hour}, make: func(m *queue.Message) { m.Compose, m.Body = []byte(`{}`), nil }},
		"unread":   {r: &renderer{err: errors.New("input/output error")}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Render = c.r.render
				m := personal("a@example.com")
				if c.make != nil {
					c.make(m)
				}
				w.publish(m, mail("b@example.com"))
				w.start()
				w.sleep(100 * time.Second)
				require.Equal(t, []string{"b@example.com"}, w.sender.recipients(), "the connection goes on with other mail")
				w.one("success")
				if c.want != "" {
					require.Equal(t, c.want, last(w.one("failure")))
					w.shutDown()
					return
				}
				require.Equal(t, 1, w.stats("outbox").Delayed)
				require.Zero(t, w.left("retry"), "no attempt was made")
				c.r.set(nil, 0)
				if m.Compose != nil {
					c.r.set(final, 0)
					w.sleep(5 * time.Minute)
					require.Equal(t, "personalize/error 554", last(w.one("failure")))
				} else {
					w.sleep(5 * time.Minute)
					require.Equal(t, []string{"message/accepted 250"}, pairs(w.one("success")))
				}
				w.shutDown()
			})
		})
	}
}

// TestRenderedFromTheStore renders a mail that had to be fetched, and closes it.
func TestRenderedFromTheStore(t *testing.T) {
	inStore(t, func(t *testing.T, w *world, s *store) {
		w.Render = (&renderer{}).render
		sent := bodies(t, w)
		m := keyed("a@example.com", "good")
		m.Data = []byte(`{}`)
		w.publish(m)
		w.start()
		w.settled()
		require.Equal(t, []string{"X-Data: {}\r\n" + storedMail}, *sent)
		require.Zero(t, s.open.Load())
		require.Nil(t, w.one("success").Body)
	})
}

// TestNoRenderer fails what nobody can render, unless it is to be sent all the same.
func TestNoRenderer(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		forced := personal("b@example.com")
		forced.Force = true
		w.publish(personal("a@example.com"), forced)
		w.start()
		w.settled()
		require.Equal(t, "personalize/error 554", last(w.one("failure")))
		w.one("success")
		w.shutDown()
	})
}

// TestRenderingStops gives messages back, unchanged, when the engine stops while they are rendered.
func TestRenderingStops(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Render = (&renderer{slow: time.Hour}).render
		w.publish(personal("a@example.com"), personal("b@example.com"))
		w.start()
		w.sleep(time.Second)
		began := time.Now()
		require.NoError(t, w.Shutdown(context.Background()))
		require.Less(t, time.Since(began), time.Second, "nobody waits for it")
		for _, m := range w.take("outbox") {
			require.NotNil(t, m.Body)
			require.Empty(t, m.Results)
		}
	})
}

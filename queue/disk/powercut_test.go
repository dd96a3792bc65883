package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// model is what a user of the queue knows: which messages were confirmed, and which of them were settled.
type model struct {
	mu        sync.Mutex
	confirmed map[string]bool // Publish or the settlement that made them returned nil
	sent      map[string]bool // given to Publish or Settle
	settled   map[string]int  // how often Settle returned nil
	firm      map[string]bool // settled, and later something was confirmed that follows in the log
}

func newModel() *model {
	return &model{confirmed: map[string]bool{}, sent: map[string]bool{}, settled: map[string]int{},
		firm: map[string]bool{}}
}

func body(id string) queue.Bytes {
	seed := binary.LittleEndian.Uint64(append([]byte(id), make([]byte, 8)...))
	rnd := rand.New(rand.NewPCG(seed, uint64(len(id))))
	p := make([]byte, 100+rnd.IntN(9000))
	for i := range p {
		p[i] = byte(rnd.Uint32())
	}
	return p
}

// publish stores n messages and, if they count, notes what was settled before: it precedes them in the log.
func (m *model) publish(q *Queue, prefix string, n int) error {
	items := make([]queue.Item, n)
	shared := body(prefix)
	m.mu.Lock()
	var before []string
	for id := range m.settled {
		before = append(before, id)
	}
	for i := range items {
		id := fmt.Sprintf("%s-%d", prefix, i)
		m.sent[id] = true
		items[i] = queue.Item{Queue: "outbox",
			Message: &queue.Message{ID: id, Recipient: id + "@example.com", Envelope: prefix, Body: shared}}
	}
	m.mu.Unlock()
	if err := q.Publish(context.Background(), items...); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, it := range items {
		m.confirmed[it.Message.ID] = true
	}
	for _, id := range before {
		m.firm[id] = true
	}
	return nil
}

// work settles some of what comes: with nothing, or with a result and a retry.
func (m *model) work(t *testing.T, ctx context.Context, q *Queue, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 3))
	_ = q.Consume(ctx, "outbox", queue.ConsumeOptions{Prefetch: 50}, func(d *queue.Delivery) {
		if err := intact(d); err != nil {
			if !errors.Is(err, errPower) {
				t.Errorf("%s: %v", d.Message.ID, err)
			}
			return
		}
		id := d.Message.ID
		m.mu.Lock()
		if m.firm[id] {
			t.Errorf("%s was settled durably and came again", id)
		}
		m.mu.Unlock()
		switch rnd.IntN(8) {
		case 0: // stays out
		case 1:
			_ = d.Release(ctx)
		case 2:
			_ = q.Park(ctx, d, "k")
		case 3:
			m.settle(d, "results")
		default:
			m.settle(d, "")
		}
	})
}

// intact reads the mail and returns what is wrong with it.
func intact(d *queue.Delivery) error {
	if d.Err != nil {
		return d.Err
	}
	want := body(d.Message.Envelope)
	got := make([]byte, d.Message.Body.Size())
	n, err := d.Message.Body.ReadAt(got, 0)
	if n < len(got) {
		return err
	}
	if !bytes.Equal(want, got) {
		return errors.New("another mail than was stored")
	}
	return nil
}

func (m *model) settle(d *queue.Delivery, to string) {
	id := d.Message.ID
	var items []queue.Item
	if to != "" {
		next := *d.Message
		next.ID += "+"
		m.mu.Lock()
		m.sent[next.ID] = true
		m.mu.Unlock()
		items = append(items, queue.Item{Queue: to, Message: &next})
	}
	if d.Settle(context.Background(), items...) == nil {
		m.mu.Lock()
		m.settled[id]++
		m.mu.Unlock()
	}
}

// check opens what a crash left and compares.
func (m *model) check(t *testing.T, q *Queue) {
	require.Equal(t, Damage{}, q.Damage(), "a crash is not damage")
	have := map[string]bool{}
	for cursor, more := "", true; more; more = cursor != "" {
		list, next, err := q.List(context.Background(), queue.Filter{}, cursor, 1000)
		require.NoError(t, err)
		for _, e := range list {
			require.False(t, have[e.ID], "%s is there twice", e.ID)
			have[e.ID] = true
		}
		cursor = next
	}
	for id := range m.confirmed {
		if m.settled[id] == 0 {
			require.True(t, have[id], "%s was confirmed and is lost", id)
		} else if !have[id] && m.sent[id+"+"] && m.settled[id+"+"] == 0 {
			require.True(t, have[id+"+"], "%s is settled and its successor is lost", id)
		}
	}
	for id := range have {
		require.True(t, m.sent[id], "%s was never stored", id)
		require.False(t, m.firm[id], "%s was settled durably and is back", id)
		require.False(t, have[id+"+"], "%s is there beside its successor", id)
		delete(m.settled, id) // the crash undid it
		delete(m.sent, id+"+")
	}
}

func simOptions(fs *simFS) Options {
	return Options{SegmentSize: 128 << 10, FileSize: 8 << 10, CacheBytes: 64 << 10, SettleDelay: time.Millisecond, fs: fs,
		rewriteAge: 1}
}

// TestPowerCut runs a load, cuts the power at a random sync, and compares what is found; then goes on from there.
func TestPowerCut(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 9))
			fs := newSimFS(seed)
			m := newModel()
			for round := range 8 {
				fs.cutAfter = 5 + rnd.Int64N(120)
				q, err := Open("sim", simOptions(fs))
				if err == nil {
					m.check(t, q)
					m.load(t, q, fmt.Sprintf("s%dr%d", seed, round), rnd.Uint64())
					_ = q.Abort()
				}
				fs = fs.cut()
				if rnd.IntN(3) == 0 {
					_ = fs.Remove(checkpointName) // a scan of the whole log must find the same
				}
			}
			q, err := Open("sim", simOptions(fs))
			require.NoError(t, err)
			m.check(t, q)
			require.NoError(t, q.Close())
		})
	}
}

// load publishes and consumes until the power is gone.
func (m *model) load(t *testing.T, q *Queue, prefix string, seed uint64) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { m.work(t, ctx, q, seed) })
	all.Go(func() { m.meddle(ctx, q, seed) })
	var publishers sync.WaitGroup
	for p := range 4 {
		publishers.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(p)))
			for n := 0; n < 400; n++ {
				if m.publish(q, fmt.Sprintf("%sp%dn%d", prefix, p, n), 1+rnd.IntN(4)) != nil {
					return
				}
			}
		})
	}
	publishers.Wait()
	cancel()
	all.Wait()
}

// meddle saves the index and unparks.
func (m *model) meddle(ctx context.Context, q *Queue, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 77))
	for ctx.Err() == nil {
		if rnd.IntN(4) == 0 {
			q.mu.Lock()
			q.logged = q.checkpointAfter + 1
			q.mu.Unlock()
		}
		_, _ = q.Unpark(ctx, "outbox", "k", 3)
		_, _ = q.Move(ctx, queue.Filter{Queue: "results", Text: "n1"}, "moved")
		q.kickKeeper()
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

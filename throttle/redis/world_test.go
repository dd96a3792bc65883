package redis

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	redis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
)

// world is a real Redis whose script goes by the clock of the test. It answers within no time: a bubble of
// testing/synctest waits for it without time passing.
type world struct {
	server *testserver.RedisServer
	client *redis.Client
	ask    chan func()
	dones  chan chan struct{} // made outside
	made   atomic.Int64
}

func newWorld(t *testing.T) *world {
	w := &world{server: testserver.Redis(t), ask: make(chan func()), dones: make(chan chan struct{}, 4)}
	options, err := redis.ParseURL(w.server.URL(0))
	require.NoError(t, err)
	w.client = redis.NewClient(options)
	for range 4 {
		w.dones <- make(chan struct{})
		go func() {
			for f := range w.ask {
				f()
			}
		}()
	}
	t.Cleanup(func() { close(w.ask); w.client.Close() })
	return w
}

// bridge is the store of one instance in a bubble. What it needs outside is done by goroutines out there.
type bridge struct {
	w       *world
	remote  *remote
	fail    atomic.Pointer[error]
	ahead   atomic.Int64 // of the store's clock, in microseconds
	calls   atomic.Int64
	ops     atomic.Int64
	latency atomic.Int64
}

func (w *world) bridge(prefix, instance string) *bridge {
	return &bridge{w: w,
		remote: &remote{clients: []*redis.Client{w.client}, script: redis.NewScript(leaseScript), instance: instance,
			prefix: prefix}}
}

func (b *bridge) outside(f func()) {
	done := <-b.w.dones
	b.w.ask <- func() { f(); done <- struct{}{} }
	<-done
	b.w.dones <- done
}

func (b *bridge) exchange(ctx context.Context, c call) (h header, a []answer, err error) {
	b.calls.Add(1)
	b.ops.Add(int64(len(c.ops)))
	if latency := time.Duration(b.latency.Load()); latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
			return h, nil, ctx.Err()
		}
	}
	if err := b.fail.Load(); err != nil {
		return h, nil, *err
	}
	now := time.Now().UnixMicro() + b.ahead.Load()
	b.outside(func() {
		b.remote.clock = strconv.FormatInt(now, 10)
		h, a, err = b.remote.exchange(context.Background(), c)
	})
	return h, a, err
}

func (b *bridge) close() error { return nil }

// settled makes a name space whose epoch is old.
func (w *world) settled(b *bridge) {
	now := time.Now().UnixMicro()
	b.outside(func() {
		w.client.ScriptLoad(context.Background(), leaseScript)
		w.client.Set(context.Background(), b.remote.prefix+":epoch",
			strconv.FormatInt(now-int64(time.Hour/time.Microsecond), 10)+" "+strconv.FormatInt(now, 10), 0)
	})
}

// instances makes throttlers that share limits; those of a bubble are to be closed in it.
func (w *world) instances(t *testing.T, n int, limits throttle.Limits) (all []*Throttler, bridges []*bridge) {
	prefix := "w" + strconv.FormatInt(w.made.Add(1), 10)
	for i := range n {
		b := w.bridge(prefix, "i"+strconv.Itoa(i))
		if i == 0 {
			w.settled(b)
		}
		th := start(local.New(&local.Table{Base: limits}), b, Options{}.complete())
		t.Cleanup(func() { require.NoError(t, th.Close()) })
		all, bridges = append(all, th), append(bridges, b)
	}
	return all, bridges
}

package disk

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// take consumes n deliveries.
func take(t *testing.T, q *Queue, name string, n int) (list []*queue.Delivery) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := q.Consume(ctx, name, queue.ConsumeOptions{Prefetch: n}, func(d *queue.Delivery) {
		if list = append(list, d); len(list) == n {
			cancel()
		}
	})
	require.NoError(t, err)
	require.Len(t, list, n)
	return list
}

func publish(t *testing.T, q *Queue, name, id, recipient string, body queue.Body) {
	t.Helper()
	require.NoError(t, q.Publish(t.Context(),
		queue.Item{Queue: name, Message: &queue.Message{ID: id, Recipient: recipient, Body: body}}))
}

func TestDeadDomainDelaysNobody(t *testing.T) {
	q, err := Open("sim", simOptions(newSimFS(1)))
	require.NoError(t, err)
	defer q.Close()
	items := make([]queue.Item, 5000)
	for i := range items {
		items[i] = queue.Item{Queue: "outbox",
			Message: &queue.Message{ID: fmt.Sprint("dead", i), Recipient: "a@dead.example"}}
	}
	require.NoError(t, q.Publish(t.Context(), items...))
	publish(t, q, "outbox", "alive", "a@alive.example", queue.Bytes("hello"))
	publish(t, q, "outbox", "alive2", "a@alive.example", queue.Bytes("hello"))
	var got []string
	for _, d := range take(t, q, "outbox", 4) {
		got = append(got, d.Message.ID)
	}
	require.Equal(t, []string{"dead0", "alive", "dead1", "alive2"}, got,
		"domains take turns, each in the order of publishing")
}

func TestSpaceIsGivenBack(t *testing.T) {
	dir := t.TempDir()
	opts := Options{SegmentSize: 64 << 10, SettleDelay: time.Millisecond, rewriteAge: 1, CacheBytes: -1}
	q, err := Open(dir, opts)
	require.NoError(t, err)
	// One in twenty stays, so that every segment is mostly dead and none is dead.
	for n := range 1000 {
		id := fmt.Sprint("m", n)
		name := "outbox"
		if n%20 == 0 {
			name = "kept"
		}
		publish(t, q, name, id, id+"@example.com", body(id)[:100:100])
		publish(t, q, name, id+"b", id+"@example.com", queue.Bytes(make([]byte, 3000)))
	}
	full := segmentBytes(t, dir)
	_, err = q.Purge(t.Context(), queue.Filter{Queue: "outbox"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return segmentBytes(t, dir) < full/4 }, 20*time.Second, 5*time.Millisecond,
		"what is mostly dead is rewritten and given back")
	check := func() {
		for _, d := range take(t, q, "kept", 100) {
			require.NoError(t, d.Err)
			got, err := io.ReadAll(io.NewSectionReader(d.Message.Body, 0, d.Message.Body.Size()))
			require.NoError(t, err)
			if !strings.HasSuffix(d.Message.ID, "b") {
				require.Equal(t, []byte(body(d.Message.ID)[:100]), got)
			}
		}
	}
	check()
	require.NoError(t, q.Abort())
	_ = os.Remove(filepath.Join(dir, checkpointName))
	q, err = Open(dir, opts)
	require.NoError(t, err)
	require.Equal(t, Damage{}, q.Damage())
	stats, err := q.Queues(t.Context())
	require.NoError(t, err)
	for _, s := range stats {
		require.True(t, s.Queue == "kept" || s.Ready == 0, "nothing that was purged is back")
	}
	check()
	require.NoError(t, q.Close())
}

func segmentBytes(t *testing.T, dir string) (n int64) {
	list, err := os.ReadDir(filepath.Join(dir, segmentDir))
	require.NoError(t, err)
	for _, e := range list {
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
	}
	return n
}

func TestReusedSegmentsBringNothingBack(t *testing.T) {
	dir := t.TempDir()
	opts := Options{SegmentSize: 64 << 10, SettleDelay: time.Millisecond}
	q, err := Open(dir, opts)
	require.NoError(t, err)
	for n := range 300 {
		id := fmt.Sprint("m", n)
		publish(t, q, "outbox", id, id+"@example.com", queue.Bytes(make([]byte, 3000)))
		require.NoError(t, take(t, q, "outbox", 1)[0].Settle(t.Context()))
	}
	require.NoError(t, q.flush())
	require.LessOrEqual(t, segmentBytes(t, dir), int64(8*opts.SegmentSize), "dead segments are used again")
	publish(t, q, "outbox", "last", "a@example.com", nil)
	require.NoError(t, q.Abort())
	_ = os.Remove(filepath.Join(dir, checkpointName))
	q, err = Open(dir, opts)
	require.NoError(t, err)
	defer q.Close()
	list, _, err := q.List(t.Context(), queue.Filter{}, "", 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "last", list[0].ID)
}

// spooled is a mail in a file.
type spooled struct{ f *os.File }

func (s spooled) ReadAt(p []byte, off int64) (int, error) { return s.f.ReadAt(p, off) }
func (s spooled) File() *os.File                          { return s.f }
func (s spooled) Size() int64 {
	st, _ := s.f.Stat()
	return st.Size()
}

func TestLargeMailIsAdopted(t *testing.T) {
	dir := t.TempDir()
	q, err := Open(filepath.Join(dir, "queue"), Options{SegmentSize: 4 << 20})
	require.NoError(t, err)
	f, err := os.Create(filepath.Join(dir, "spool"))
	require.NoError(t, err)
	want := []byte(strings.Repeat("0123456789abcdef", 40_000))
	_, err = f.Write(want)
	require.NoError(t, err)
	before, err := f.Stat()
	require.NoError(t, err)
	mail := spooled{f}
	require.NoError(t, q.Publish(t.Context(),
		queue.Item{Queue: "outbox", Message: &queue.Message{ID: "a", Recipient: "a@example.com", Body: mail}},
		queue.Item{Queue: "outbox", Message: &queue.Message{ID: "b", Recipient: "b@example.com", Body: mail}}))
	files, err := filepath.Glob(filepath.Join(dir, "queue", bodyDir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1, "recipients share the file")
	after, err := os.Stat(files[0])
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "it is linked, not copied")
	require.NoError(t, f.Close())
	require.NoError(t, os.Remove(f.Name()))
	require.NoError(t, q.Close())

	q, err = Open(filepath.Join(dir, "queue"), Options{})
	require.NoError(t, err)
	list := take(t, q, "outbox", 2)
	require.NoError(t, list[0].Settle(t.Context(), queue.Item{Queue: "results", Message: list[0].Message}))
	require.NoError(t, list[1].Settle(t.Context()))
	last := take(t, q, "results", 1)[0]
	got, err := io.ReadAll(io.NewSectionReader(last.Message.Body, 0, last.Message.Body.Size()))
	require.NoError(t, err)
	require.True(t, slices.Equal(want, got))
	require.FileExists(t, files[0])
	require.NoError(t, last.Settle(t.Context()))
	require.Eventually(t, func() bool { _, err := os.Stat(files[0]); return os.IsNotExist(err) }, 10*time.Second,
		time.Millisecond,
		"the last user gone, the file goes")
	require.NoError(t, q.Close())
}

func TestSharedMailIsStoredOnce(t *testing.T) {
	fs := newSimFS(1)
	q, err := Open("sim", simOptions(fs))
	require.NoError(t, err)
	items := make([]queue.Item, 100)
	mail := queue.Bytes(make([]byte, 5000))
	for i := range items {
		items[i] = queue.Item{Queue: "outbox", Message: &queue.Message{Recipient: fmt.Sprint(i, "@example.com"), Body: mail}}
	}
	require.NoError(t, q.Publish(t.Context(), items...))
	for i := range 3 {
		d := take(t, q, "outbox", 1)[0]
		require.NoError(t, d.Settle(t.Context(), queue.Item{Queue: "outbox", Message: d.Message}), "retry %d", i)
	}
	require.NoError(t, q.Close())
	bodies := 0
	for _, r := range records(t, fs) {
		if r.h.kind == bodyRecord {
			bodies++
		}
	}
	require.Equal(t, 1, bodies)
}

func TestMemoryPerMessage(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(entry{}), uintptr(112))
	require.LessOrEqual(t, unsafe.Sizeof(bodyEntry{}), uintptr(40))
	const count = 50_000
	q, err := Open("sim", Options{CacheBytes: -1, fs: newSimFS(1)})
	require.NoError(t, err)
	defer q.Close()
	items := make([]queue.Item, 1000)
	for n := 0; n < count; n += len(items) {
		for i := range items {
			items[i] = queue.Item{Queue: "outbox",
				Message: &queue.Message{ID: fmt.Sprint(n + i), Recipient: "a@example.com", Body: queue.Bytes("x")}}
		}
		require.NoError(t, q.Publish(t.Context(), items...))
	}
	q.mu.Lock()
	bytes := len(q.x.entries.chunks)*int(unsafe.Sizeof([chunkLen]entry{})) +
		len(q.x.bodies.chunks)*int(unsafe.Sizeof([chunkLen]bodyEntry{}))
	free := 4 * (cap(q.x.entries.free) + cap(q.x.bodies.free))
	q.mu.Unlock()
	require.LessOrEqual(t, (bytes+free)/count, 190, "bytes for each message in memory")
	n, err := q.Purge(t.Context(), queue.Filter{})
	require.NoError(t, err)
	require.Equal(t, count, n)
	q.trim()
	q.mu.Lock()
	defer q.mu.Unlock()
	require.False(t, slices.Contains(q.x.entries.idle, false), "the memory of empty chunks is given back")
}

func TestParkedComesBackByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := Open("sim", simOptions(newSimFS(1)))
		require.NoError(t, err)
		defer q.Close()
		publish(t, q, "outbox", "m", "a@example.com", queue.Bytes("hello"))
		d := take(t, q, "outbox", 1)[0]
		start := time.Now()
		require.NoError(t, q.Park(t.Context(), d, "example.com"))
		var again time.Time
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) {
			again = time.Now()
			require.True(t, d.Redelivered)
			require.Equal(t, start.Truncate(time.Millisecond), d.Picked.Truncate(time.Millisecond),
				"it remembers when it was first picked")
			cancel()
		}))
		require.WithinDuration(t, start.Add(queue.MaxParked), again, time.Second)
	})
}

// Messages that become due one by one come out some at a time: each look at them costs a wake-up and a write.
func TestDelayedComeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := Open("sim", simOptions(newSimFS(1)))
		require.NoError(t, err)
		defer q.Close()
		const count, apart = 500, 20 * time.Millisecond
		start := time.Now().Add(time.Hour)
		for i := range count {
			m := &queue.Message{Recipient: "a@example.com", NextAttempt: start.Add(time.Duration(i) * apart)}
			require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m}))
		}
		taken := map[time.Duration]bool{}
		n := 0
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) {
			late := time.Since(d.Message.NextAttempt)
			require.GreaterOrEqual(t, late, time.Duration(0))
			require.LessOrEqual(t, late, delaySpacing*time.Millisecond)
			require.True(t, n > 0 || late < 5*time.Millisecond, "the first one is on time")
			taken[time.Since(start).Truncate(time.Millisecond)] = true
			require.NoError(t, d.Settle(ctx))
			if n++; n == count {
				cancel()
			}
		}))
		require.LessOrEqual(t, len(taken), int(count*apart/(delaySpacing*time.Millisecond))+2, "looks at what is due")
	})
}

func TestDelayedIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newSimFS(1)
		q, err := Open("sim", simOptions(fs))
		require.NoError(t, err)
		start := time.Now()
		for _, h := range []int{30, 3, 1, 48, 2} {
			m := &queue.Message{ID: fmt.Sprint(h), Recipient: "a@example.com",
				NextAttempt: start.Add(time.Duration(h) * time.Hour)}
			require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m}))
		}
		var got []string
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) {
			got = append(got, d.Message.ID)
			require.WithinDuration(t, d.Message.NextAttempt, time.Now(), 5*time.Millisecond)
			if len(got) == 3 {
				cancel()
			}
		}))
		require.NoError(t, q.Close())
		q, err = Open("sim", simOptions(fs))
		require.NoError(t, err)
		for _, d := range take(t, q, "outbox", 3) {
			require.NoError(t, d.Settle(t.Context())) // of 1, 2 and 3 hours: out when the queue was closed
		}
		ctx, cancel = context.WithCancel(t.Context())
		require.NoError(t, q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) {
			if got = append(got, d.Message.ID); len(got) == 5 {
				cancel()
			}
		}))
		require.WithinDuration(t, start.Add(48*time.Hour), time.Now(), time.Second)
		require.Equal(t, []string{"1", "2", "3", "30", "48"}, got)
		require.NoError(t, q.Close())
	})
}

func TestPickedSurvivesARetry(t *testing.T) {
	fs := newSimFS(1)
	q, err := Open("sim", simOptions(fs))
	require.NoError(t, err)
	publish(t, q, "outbox", "m", "a@example.com", queue.Bytes("hello"))
	d := take(t, q, "outbox", 1)[0]
	first := d.Picked
	require.False(t, first.IsZero())
	require.False(t, d.Redelivered)
	require.NoError(t, d.Settle(t.Context(), queue.Item{Queue: "outbox", Message: d.Message}))
	require.NoError(t, q.flush())
	require.NoError(t, q.Abort())
	q, err = Open("sim", simOptions(fs))
	require.NoError(t, err)
	defer q.Close()
	require.True(t, first.Equal(take(t, q, "outbox", 1)[0].Picked))
}

// TestGroupLargerThanASegment stores more at once than a segment holds.
func TestGroupLargerThanASegment(t *testing.T) {
	fs := newSimFS(1)
	q, err := Open("sim", simOptions(fs))
	require.NoError(t, err)
	items := make([]queue.Item, 3000)
	for i := range items {
		items[i] = queue.Item{Queue: "outbox",
			Message: &queue.Message{ID: fmt.Sprint(i), Recipient: "a@example.com", Body: queue.Bytes(fmt.Sprint("mail", i))}}
	}
	require.NoError(t, q.Publish(t.Context(), items...))
	require.NoError(t, q.Abort())
	q, err = Open("sim", simOptions(fs.cut()))
	require.NoError(t, err)
	defer q.Close()
	for i, d := range take(t, q, "outbox", len(items)) {
		require.Equal(t, fmt.Sprint(i), d.Message.ID)
		require.NoError(t, d.Settle(t.Context()))
	}
}

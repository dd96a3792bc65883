package once_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
	"github.com/sluicemail/sluice/queue/memory"
	"github.com/sluicemail/sluice/queue/once"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func open(t testing.TB, o once.Options) *once.Book {
	t.Helper()
	o.Name, o.Logger = ".marks", quiet
	b, err := once.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func item(id string) queue.Item {
	return queue.Item{Queue: "outbox", Message: &queue.Message{ID: id, Recipient: id + "@x.test",
		Body: queue.Bytes("text")}}
}

// waiting counts the messages of a queue by name.
func waiting(t testing.TB, q queue.Queue, name string) int {
	t.Helper()
	all, _, err := q.(queue.Inspector).List(t.Context(), queue.Filter{Queue: name}, "", 100_000)
	require.NoError(t, err)
	return len(all)
}

func TestPublishOnce(t *testing.T) {
	q := memory.New()
	b := open(t, once.Options{Queue: q, Marks: q, Joint: true})
	again, err := b.Publish(t.Context(), "k", "p", item("a"), item("b"))
	require.NoError(t, err)
	require.False(t, again)
	require.True(t, b.Published("k"))
	again, err = b.Publish(t.Context(), "k", "p", item("a"), item("b"))
	require.NoError(t, err)
	require.True(t, again)
	_, err = b.Publish(t.Context(), "k", "q", item("c"))
	require.ErrorIs(t, err, once.ErrOther)
	_, err = b.Publish(t.Context(), "", "", item("c"))
	require.Error(t, err)
	require.Equal(t, 2, waiting(t, q, "outbox"))

	b.Forget("k", "unknown")
	require.False(t, b.Published("k"))
	require.Eventually(t, func() bool { return waiting(t, q, ".marks") == 0 }, 10*time.Second, time.Millisecond)
	again, err = b.Publish(t.Context(), "k", "q", item("c"))
	require.NoError(t, err)
	require.False(t, again)
}

func TestManyAtOnce(t *testing.T) {
	q := memory.New()
	b := open(t, once.Options{Queue: q, Marks: q, Joint: true})
	var first atomic.Int32
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			again, err := b.Publish(t.Context(), "k", "", item("a"))
			if err == nil && !again {
				first.Add(1)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 1, first.Load())
	require.Equal(t, 1, waiting(t, q, "outbox"))
}

// TestCrash ends the store at any instant: afterwards there are messages and mark, or neither.
func TestCrash(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	q, err := disk.Open(dir, disk.Options{Logger: quiet})
	require.NoError(t, err)
	b := open(t, once.Options{Queue: q, Marks: q, Joint: true})
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			for n := i; ; n += 20 {
				if _, err := b.Publish(t.Context(), fmt.Sprint("k", n), "p", item(fmt.Sprint("m", n))); err != nil {
					return
				}
			}
		})
	}
	require.Eventually(t, func() bool { return waiting(t, q, ".marks") > 200 }, 20*time.Second, time.Millisecond)
	q.Abort()
	group.Wait()

	q, err = disk.Open(dir, disk.Options{Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { q.Close() })
	b = open(t, once.Options{Queue: q, Marks: q, Joint: true})
	keys := b.Keys()
	require.Greater(t, len(keys), 200)
	require.Equal(t, len(keys), waiting(t, q, "outbox"))
	for _, key := range keys {
		again, err := b.Publish(t.Context(), key, "p", item("m"+key[1:]))
		require.NoError(t, err)
		require.True(t, again, key)
	}
	require.Equal(t, len(keys), waiting(t, q, "outbox"))
	b.Forget(keys...)
	require.Eventually(t, func() bool { return waiting(t, q, ".marks") == 0 }, 20*time.Second, time.Millisecond)
}

func TestMarksEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New()
		b := open(t, once.Options{Queue: q, Marks: q, Joint: true, MaxAge: time.Hour, Most: 3})
		for _, key := range []string{"a", "b", "c", "d"} {
			_, err := b.Publish(t.Context(), key, "", item(key))
			require.NoError(t, err)
		}
		synctest.Wait()
		require.Equal(t, []string{"b", "c", "d"}, b.Keys())
		require.Equal(t, 3, waiting(t, q, ".marks"))
		time.Sleep(time.Hour + time.Second)
		require.False(t, b.Published("d"))
		again, err := b.Publish(t.Context(), "d", "", item("d"))
		require.NoError(t, err)
		require.False(t, again)
		synctest.Wait()
		require.Equal(t, []string{"d"}, b.Keys())
		require.Equal(t, 1, waiting(t, q, ".marks"))
		require.NoError(t, b.Close())
		require.NoError(t, q.Close())
	})
}

// fickle fails, or stores and fails all the same.
type fickle struct {
	*memory.Queue
	before, after error
	hold          chan struct{}
}

func (f *fickle) Publish(ctx context.Context, items ...queue.Item) error {
	if f.hold != nil {
		<-f.hold
	}
	if f.before != nil {
		return f.before
	}
	return errors.Join(f.Queue.Publish(ctx, items...), f.after)
}

func TestFailures(t *testing.T) {
	t.Run("nothing was stored", func(t *testing.T) {
		f := &fickle{Queue: memory.New(), before: queue.ErrFull}
		b := open(t, once.Options{Queue: f, Marks: f, Joint: true})
		_, err := b.Publish(t.Context(), "k", "", item("a"))
		require.ErrorIs(t, err, queue.ErrFull)
		require.False(t, b.Published("k"))
		f.before = nil
		again, err := b.Publish(t.Context(), "k", "", item("a"))
		require.NoError(t, err)
		require.False(t, again)
	})
	t.Run("it was stored, although nobody knows", func(t *testing.T) {
		f := &fickle{Queue: memory.New(), after: queue.ErrUnknown}
		b := open(t, once.Options{Queue: f, Marks: f, Joint: true})
		_, _ = b.Publish(t.Context(), "k", "", item("a"))
		require.Eventually(t, func() bool { return b.Published("k") }, 10*time.Second, time.Millisecond)
		again, err := b.Publish(t.Context(), "k", "", item("a"))
		require.NoError(t, err)
		require.True(t, again)
		require.Equal(t, 1, waiting(t, f, "outbox"))
	})
	t.Run("who waits goes away", func(t *testing.T) {
		f := &fickle{Queue: memory.New(), hold: make(chan struct{})}
		b := open(t, once.Options{Queue: f, Marks: f, Joint: true})
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := b.Publish(gone, "k", "", item("a"))
		require.ErrorIs(t, err, context.Canceled)
		_, err = b.Publish(gone, "k", "", item("a"))
		require.ErrorIs(t, err, context.Canceled, "it is being published")
		close(f.hold)
		again, err := b.Publish(t.Context(), "k", "", item("a"))
		require.NoError(t, err)
		require.True(t, again)
	})
}

// TestApart has messages and marks in two stores.
func TestApart(t *testing.T) {
	mails, marks := memory.New(), &fickle{Queue: memory.New()}
	b := open(t, once.Options{Queue: mails, Marks: marks})
	_, err := b.Publish(t.Context(), "k", "p", item("a"))
	require.NoError(t, err)
	require.Equal(t, 1, waiting(t, mails, "outbox"))
	require.Zero(t, waiting(t, mails, ".marks"))
	require.NoError(t, b.Close())

	b = open(t, once.Options{Queue: mails, Marks: marks})
	again, err := b.Publish(t.Context(), "k", "p", item("a"))
	require.NoError(t, err)
	require.True(t, again)

	marks.before = queue.ErrFull
	again, err = b.Publish(t.Context(), "l", "p", item("b"))
	require.NoError(t, err, "the mail is queued")
	require.False(t, again)
	again, err = b.Publish(t.Context(), "l", "p", item("b"))
	require.NoError(t, err)
	require.True(t, again)
}

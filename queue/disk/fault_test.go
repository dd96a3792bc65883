package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sluicemail/sluice/queue"
)

func numbered(n int, size int) queue.Item {
	id := "m" + strconv.Itoa(n)
	return queue.Item{Queue: "outbox", Message: &queue.Message{ID: id, Recipient: id + "@example.com",
		Body: queue.Bytes(make([]byte, size))}}
}

// fill publishes until there is no more space and returns how many messages fitted.
func fill(t *testing.T, q *Queue) int {
	for n := range 10_000 {
		if err := q.Publish(t.Context(), numbered(n, 2000)); err != nil {
			require.ErrorIs(t, err, queue.ErrFull)
			return n
		}
	}
	require.Fail(t, "the store never filled up")
	return 0
}

// emptyOut settles n messages, with successors now and then, and demands that each can be settled.
func emptyOut(t *testing.T, q *Queue, n int) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) {
		require.NoError(t, d.Err)
		_, err := d.Message.Body.ReadAt(make([]byte, 10), 0)
		require.NoError(t, err, "what is queued stays deliverable")
		var items []queue.Item
		if n%3 == 0 {
			items = append(items, queue.Item{Queue: "results", Message: d.Message})
		}
		require.NoError(t, d.Settle(ctx, items...), "what is queued stays settleable")
		if n--; n == 0 {
			cancel()
		}
	}))
	require.Zero(t, n)
}

// fullAndBack fills a store, empties it, and demands that it takes mail again.
func fullAndBack(t *testing.T, q *Queue, more func()) {
	n := fill(t, q)
	require.Greater(t, n, 20)
	require.ErrorIs(t, q.Publish(t.Context(), numbered(0, 2000)), queue.ErrFull)
	emptyOut(t, q, n)
	require.NoError(t, q.flush(), "what was settled becomes durable")
	_, err := q.Purge(t.Context(), queue.Filter{Queue: "results"})
	require.NoError(t, err)
	more()
	require.Eventually(t, func() bool { return q.Publish(t.Context(), numbered(0, 2000)) == nil }, 10*time.Second,
		10*time.Millisecond,
		"the store takes mail again by itself")
}

func TestFullByLimit(t *testing.T) {
	q, err := Open(t.TempDir(), Options{SegmentSize: 64 << 10, MaxBytes: 1 << 20})
	require.NoError(t, err)
	defer q.Close()
	fullAndBack(t, q, func() {})
	require.ErrorIs(t, q.Publish(t.Context(), numbered(1, 2<<20)), queue.ErrFull,
		"a mail with a file of its own is bounded as well")
}

func TestFullDisk(t *testing.T) {
	fs := newSimFS(1)
	fs.limit = 1 << 20
	q, err := Open("sim", Options{SegmentSize: 64 << 10, fs: fs})
	require.NoError(t, err)
	fullAndBack(t, q, func() {})
	require.NoError(t, q.Close())
	// A store that is opened while the disk is full serves what it holds.
	q, err = Open("sim", Options{SegmentSize: 64 << 10, fs: fs})
	require.NoError(t, err)
	n := fill(t, q)
	require.NoError(t, q.Abort())
	q, err = Open("sim", Options{SegmentSize: 64 << 10, fs: fs})
	require.NoError(t, err)
	emptyOut(t, q, n+1)
	require.NoError(t, q.Close())
}

func TestFullTmpfs(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("cannot mount a small file system here: %v", err)
	}
	defer func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) }()
	q, err := Open(dir, Options{SegmentSize: 128 << 10})
	require.NoError(t, err)
	defer q.Close()
	fullAndBack(t, q, func() {})
}

func TestNoFreeSpace(t *testing.T) {
	fs := newSimFS(1)
	fs.lieAbout.Store(true)
	q, err := Open("sim", Options{SegmentSize: 64 << 10, MinFree: 1 << 20, fs: fs})
	if err == nil {
		defer q.Close()
		err = q.Publish(t.Context(), numbered(0, 2000))
	}
	require.ErrorIs(t, err, queue.ErrFull)
}

func TestShortWrite(t *testing.T) {
	fs := newSimFS(1)
	q, err := Open("sim", Options{SegmentSize: 64 << 10, SettleDelay: time.Millisecond, fs: fs})
	require.NoError(t, err)
	require.NoError(t, q.Publish(t.Context(), numbered(0, 2000), numbered(1, 2000)))
	fs.failWrite.Store(true)
	require.ErrorIs(t, q.Publish(t.Context(), numbered(2, 2000), numbered(3, 2000)), queue.ErrFull)
	emptyOut(t, q, 2) // in memory only, so far
	fs.failWrite.Store(false)
	require.Eventually(t, func() bool { return q.Publish(t.Context(), numbered(4, 2000)) == nil }, 10*time.Second,
		time.Millisecond)
	require.NoError(t, q.flush())
	require.NoError(t, q.Abort())
	fs = fs.cut()
	q, err = Open("sim", Options{SegmentSize: 64 << 10, fs: fs})
	require.NoError(t, err)
	defer q.Close()
	require.Equal(t, Damage{}, q.Damage())
	list, _, err := q.List(t.Context(), queue.Filter{Queue: "outbox"}, "", 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "m4", list[0].ID, "what was refused is not there, what was settled is gone")
}

func TestFailedSync(t *testing.T) {
	fs := newSimFS(1)
	q, err := Open("sim", Options{SegmentSize: 64 << 10, fs: fs})
	require.NoError(t, err)
	require.NoError(t, q.Publish(t.Context(), numbered(0, 2000)))
	consumed := make(chan error, 1)
	out := make(chan *queue.Delivery, 1)
	go func() {
		consumed <- q.Consume(context.Background(), "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) { out <- d })
	}()
	d := <-out
	fs.failSync.Store(true)
	err = q.Publish(t.Context(), numbered(1, 2000))
	require.ErrorIs(t, err, queue.ErrUnavailable)
	require.ErrorIs(t, err, queue.ErrUnknown, "it may have been stored")
	fs.failSync.Store(false)
	require.ErrorIs(t, q.Publish(t.Context(), numbered(2, 2000)), queue.ErrUnavailable,
		"nothing is believed until the store is opened again")
	require.ErrorIs(t, d.Settle(t.Context()), queue.ErrUnavailable)
	require.ErrorIs(t, <-consumed, queue.ErrUnavailable)
	require.NoError(t, q.Close())
	q, err = Open("sim", Options{SegmentSize: 64 << 10, fs: fs})
	require.NoError(t, err)
	defer q.Close()
	_, err = q.Peek(t.Context(), "m0")
	require.NoError(t, err)
	require.NoError(t, q.Publish(t.Context(), numbered(3, 2000)))
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	q, err := Open(dir, Options{SegmentSize: 64 << 10})
	require.NoError(t, err)
	_, err = Open(dir, Options{})
	require.ErrorIs(t, err, queue.ErrLocked)
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, strconv.Itoa(os.Getpid()))
	require.NoError(t, q.Close())
	q, err = Open(dir, Options{})
	require.NoError(t, err, "another segment size is no obstacle")
	require.NoError(t, q.Close())
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = Open(file, Options{})
	require.Error(t, err)
}

// childEnv makes the test binary a program that publishes and settles until it is killed.
const childEnv = "SLUICE_DISK_CHILD"

// TestChild is the body of that program. It prints what was confirmed.
func TestChild(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("this is a part of TestKill")
	}
	q, err := Open(dir, childOptions)
	require.NoError(t, err)
	round := filepath.Base(os.Getenv("SLUICE_DISK_ROUND"))
	go func() {
		_ = q.Consume(context.Background(), "outbox", queue.ConsumeOptions{Prefetch: 20}, func(d *queue.Delivery) {
			id := d.Message.ID
			if len(id)%2 == 0 {
				next := *d.Message
				next.ID += "+"
				_ = d.Settle(context.Background(), queue.Item{Queue: "results", Message: &next})
			}
		})
	}()
	for p := range 4 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%s-%d-%d", round, p, n)
				m := &queue.Message{ID: id, Recipient: "a@example.com", Envelope: id, Body: body(id)}
				if err := q.Publish(context.Background(), queue.Item{Queue: "outbox", Message: m}); err != nil {
					os.Exit(3)
				}
				_, _ = os.Stdout.WriteString(id + "\n")
			}
		}()
	}
	time.Sleep(time.Minute) // until it is killed
}

var childOptions = Options{SegmentSize: 256 << 10, FileSize: 6 << 10, SettleDelay: time.Millisecond}

func TestKill(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		t.Skip("this is the child")
	}
	dir := t.TempDir()
	confirmed := map[string]bool{}
	for round := range 5 {
		runChild(t, dir, round, confirmed)
		_, err := os.Stat(dir)
		require.NoError(t, err)
		checkKilled(t, dir, confirmed)
	}
	require.Greater(t, len(confirmed), 100)
}

// runChild lets the program run until it has confirmed some messages, and kills it.
func runChild(t *testing.T, dir string, round int, confirmed map[string]bool) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir, "SLUICE_DISK_ROUND=r"+strconv.Itoa(round))
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill := 100 + 237*round
	n := 0
	var id string
	for {
		if _, err := fmt.Fscanln(stdout, &id); err != nil {
			break
		}
		confirmed[id] = true
		if n++; n == kill {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit) && exit.ExitCode() == -1, "the program ended by itself: %v", err)
}

func checkKilled(t *testing.T, dir string, confirmed map[string]bool) {
	q, err := Open(dir, childOptions)
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Close()) }()
	require.Equal(t, Damage{}, q.Damage())
	have := map[string]bool{}
	for cursor, more := "", true; more; more = cursor != "" {
		var list []queue.Entry
		list, cursor, err = q.List(t.Context(), queue.Filter{}, cursor, 1000)
		require.NoError(t, err)
		for _, e := range list {
			require.False(t, have[e.ID], "%s is there twice", e.ID)
			have[e.ID] = true
		}
	}
	for id := range confirmed {
		require.True(t, have[id] != have[id+"+"], "%s: waiting %v, successor %v", id, have[id], have[id+"+"])
	}
}

// TestPublishEndsWithItsContext has a disk that does not answer: whoever waits for it is let go when he wants.
func TestPublishEndsWithItsContext(t *testing.T) {
	fs := newSimFS(1)
	q, err := Open("sim", simOptions(fs))
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Close()) }()
	require.NoError(t, q.Publish(t.Context(), numbered(0, 100)))
	disk := &stall{reached: make(chan struct{}, 100), over: make(chan struct{})}
	fs.stalled.Store(disk)
	publish := func(n, size int) (stop func() error) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- q.Publish(ctx, numbered(n, size)) }()
		return func() error { cancel(); return <-done }
	}
	written := publish(1, 100)
	<-disk.reached
	behind := publish(2, 100)
	require.Eventually(t, func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.pending) == 1
	}, 10*time.Second, time.Millisecond)
	err = behind()
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, queue.ErrUnknown, "nothing was written")
	err = written()
	require.ErrorIs(t, err, queue.ErrUnknown)
	require.ErrorIs(t, err, context.Canceled)
	fs.stalled.Store(nil)
	close(disk.over)
	require.NoError(t, q.Publish(t.Context(), numbered(3, 100)), "the store goes on")
	for id, there := range map[string]bool{"m0": true, "m1": true, "m2": false, "m3": true} {
		_, err := q.Peek(t.Context(), id)
		require.Equal(t, there, err == nil, id)
	}
}

// TestErrWhileFull asks whether a full store takes mail, without trying: not while there is no space, and again when
// there is.
func TestErrWhileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newSimFS(1)
		fs.space.Store(1 << 40)
		opts := simOptions(fs)
		opts.MinFree = 1 << 20
		q, err := Open("sim", opts)
		require.NoError(t, err)
		defer func() { require.NoError(t, q.Close()) }()
		require.NoError(t, q.Err())
		fs.space.Store(1 << 10)
		fill(t, q)
		for range 20 {
			require.ErrorIs(t, q.Err(), queue.ErrFull, "it does not change its mind by itself")
			time.Sleep(time.Second)
		}
		fs.space.Store(1 << 40)
		time.Sleep(fullFor)
		require.NoError(t, q.Err(), "space is back, and nobody has tried yet")
		require.NoError(t, q.Publish(t.Context(), numbered(1, 100)))
	})
}

package disk_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
	"github.com/sluicemail/sluice/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func exam(opts disk.Options) (func(*testing.T) queue.Queue, queuetest.Options) {
	dirs := map[queue.Queue]string{}
	var mu sync.Mutex
	open := func(t *testing.T, dir string) queue.Queue {
		q, err := disk.Open(dir, opts)
		require.NoError(t, err)
		mu.Lock()
		defer mu.Unlock()
		dirs[q] = dir
		return q
	}
	return func(t *testing.T) queue.Queue { return open(t, t.TempDir()) }, queuetest.Options{
		Reopen: func(t *testing.T, q queue.Queue) queue.Queue {
			mu.Lock()
			dir := dirs[q]
			mu.Unlock()
			require.NoError(t, q.Close())
			return open(t, dir)
		},
	}
}

func TestSyncsAreTold(t *testing.T) {
	var syncs, took atomic.Int64
	q, err := disk.Open(t.TempDir(), disk.Options{Synced: func(d time.Duration) { syncs.Add(1); took.Add(int64(d)) }})
	require.NoError(t, err)
	defer q.Close()
	before := syncs.Load()
	require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "q", Message: &queue.Message{ID: "1", Recipient: "a@b.example"}}))
	require.Equal(t, before+1, syncs.Load())
	require.Positive(t, took.Load())
}

func TestExaminer(t *testing.T) {
	for name, opts := range map[string]disk.Options{
		"usual": {},
		"small": {SegmentSize: 256 << 10, FileSize: 4 << 10, CacheBytes: -1},
	} {
		t.Run(name, func(t *testing.T) {
			newQueue, exam := exam(opts)
			queuetest.Run(t, newQueue, exam)
		})
	}
}

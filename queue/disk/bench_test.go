package disk_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
)

// BenchmarkPublish stores mails from 64 producers, each waiting until its own is durable, while a consumer settles
// them. It reports the CPU time and the bytes written per mail.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{1 << 10, 10 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) { benchmarkPublish(b, size) })
	}
}

func benchmarkPublish(b *testing.B, size int) {
	q, err := disk.Open(b.TempDir(), disk.Options{})
	require.NoError(b, err)
	defer q.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	var settled atomic.Int64
	consumed := make(chan struct{})
	go func() {
		defer close(consumed)
		_ = q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) {
			if d.Message.Body.(interface{ Bytes() []byte }) == nil || d.Settle(ctx) != nil {
				panic("settle")
			}
			if settled.Add(1) == int64(b.N) {
				close(done)
			}
		})
	}()
	cpu, written := usage(b)
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				body := make([]byte, size)
				m := &queue.Message{ID: "1kq8fz-3j0x-7." + strconv.FormatInt(n, 36) + "@mx1.example.net",
					Envelope:  "sender@example.org",
					Recipient: "someone" + strconv.Itoa(int(n%1000)) + "@example.com", Received: time.Now(),
					Hostname:   "mx1.example.net",
					Connection: &queue.Connection{LocalIP: "192.0.2.1", LocalPort: 25, RemoteIP: "198.51.100.7", RemotePort: 40312},
					Body:       queue.Bytes(body)}
				if err := q.Publish(ctx, queue.Item{Queue: "outbox", Message: m}); err != nil {
					panic(err)
				}
			}
		})
	}
	all.Wait()
	<-done
	b.StopTimer()
	cpu2, written2 := usage(b)
	b.ReportMetric((cpu2-cpu).Seconds()*1000/float64(b.N), "cpu-s/1000")
	b.ReportMetric(float64(written2-written)/float64(b.N)/float64(size), "written/size")
	cancel()
	<-consumed
}

// usage returns the CPU time and the bytes written by this process so far.
func usage(b testing.TB) (time.Duration, int64) {
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	io, err := os.ReadFile("/proc/self/io")
	require.NoError(b, err)
	var written int64
	for line := range strings.Lines(string(io)) {
		if v, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			written, _ = strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		}
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), written
}

// BenchmarkBacklog fills a queue with a million messages of 2 KiB, every domain dead, and reports what each costs in
// memory, the CPU time of intake, and how long opening again takes until the first delivery. It runs once, and only
// when asked for by name.
func BenchmarkBacklog(b *testing.B) {
	const count, perCall = 1_000_000, 500
	dir := b.TempDir()
	q, err := disk.Open(dir, disk.Options{})
	require.NoError(b, err)
	before := resident(b)
	cpu, written := usage(b)
	var all sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		all.Go(func() {
			for {
				from := next.Add(perCall)
				if from > count {
					return
				}
				items := make([]queue.Item, perCall)
				for i := range items {
					n := int(from) + i
					m := &queue.Message{ID: "1kq8fz-3j0x-7." + strconv.Itoa(n) + "@mx1.example.net", Envelope: "sender@example.org",
						Recipient: "someone" + strconv.Itoa(n) + "@example" + strconv.Itoa(n%100) + ".com", Received: time.Now(),
						Hostname: "mx1.example.net", Tags: []string{"campaign"}, Body: queue.Bytes(make([]byte, 2<<10))}
					items[i] = queue.Item{Queue: "outbox", Message: m}
				}
				if err := q.Publish(context.Background(), items...); err != nil {
					panic(err)
				}
			}
		})
	}
	all.Wait()
	cpu2, written2 := usage(b)
	b.ReportMetric((cpu2-cpu).Seconds()*1000/count, "cpu-s/1000")
	b.ReportMetric(float64(written2-written)/count/2048, "written/size")
	b.ReportMetric(float64(resident(b)-before)/count, "rss-B/msg")
	start := time.Now()
	require.NoError(b, q.Close())
	b.ReportMetric(time.Since(start).Seconds(), "close-s")
	reopen := func(unit string, end func(*disk.Queue) error) {
		start := time.Now()
		q, err := disk.Open(dir, disk.Options{})
		require.NoError(b, err)
		ctx, cancel := context.WithCancel(context.Background())
		require.NoError(b, q.Consume(ctx, "outbox", queue.ConsumeOptions{Prefetch: 1}, func(*queue.Delivery) { cancel() }))
		b.ReportMetric(time.Since(start).Seconds(), unit)
		require.NoError(b, end(q))
	}
	reopen("reopen-s", (*disk.Queue).Abort)
	require.NoError(b, os.Remove(dir+"/checkpoint"))
	reopen("scan-s", (*disk.Queue).Close)
}

// resident returns the resident set after a collection.
func resident(b testing.TB) int64 {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(b, err)
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			require.NoError(b, err)
			return n << 10
		}
	}
	return 0
}

package webhook_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor/webhook"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
)

// takesAll is a web server that takes every request at once.
type takesAll struct{}

func (takesAll) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	answer := reply(200, "")
	answer.Request = r
	return answer, nil
}

// BenchmarkResult has results go all the way, from being published to the embedded queue to being taken, as the engine
// publishes them (given) and as others do, and reports the CPU of all threads. Run it with -benchtime 40000x or so.
func BenchmarkResult(b *testing.B) {
	const together = 8 // as many are settled at once, more or less
	for _, given := range []bool{true, false} {
		b.Run(fmt.Sprintf("given=%t", given), func(b *testing.B) {
			b.ReportAllocs()
			quiet := slog.New(slog.DiscardHandler)
			q, err := disk.Open(b.TempDir(), disk.Options{Logger: quiet})
			require.NoError(b, err)
			terms := &webhook.Terms{URL: &url.URL{Scheme: "https", Host: "hooks.test"}, Secret: "k3y", Delay: time.Second}
			h, err := webhook.Open(webhook.Options{Queue: q, Name: "webhooks", Dir: b.TempDir(), Transport: takesAll{},
				Terms: func() *webhook.Terms { return terms }, Logger: quiet})
			require.NoError(b, err)
			began := spent(b)
			items := make([]queue.Item, together)
			published := 0
			for ; published < b.N; published += together {
				for k := range items {
					items[k] = queue.Item{Queue: "webhooks", Message: resultOf(published + k), Given: given}
				}
				require.NoError(b, q.Publish(context.Background(), items...))
			}
			for h.State().Taken < int64(published) {
				<-time.After(10 * time.Millisecond)
			}
			b.ReportMetric(float64((spent(b)-began).Nanoseconds())/float64(published), "cpu-ns/op")
			require.NoError(b, h.Close())
			require.NoError(b, q.Close())
		})
	}
}

// resultOf is a message that was delivered.
func resultOf(n int) *queue.Message {
	now := time.Now()
	return &queue.Message{ID: fmt.Sprintf("1-0f3k9t2m8q4r7abc%d", n), Envelope: "sender@source.test",
		Recipient: fmt.Sprintf("user%d@sink.test", n), Received: now, Hostname: "mtad.test",
		Connection: &queue.Connection{LocalIP: "127.0.0.1", LocalPort: 2525, RemoteIP: "127.0.0.1", RemotePort: 33412},
		Results: []queue.Result{{State: queue.StateMessage, Result: queue.Accepted, Time: now, MTA: "sink.test",
			From: "127.0.0.1", To: "127.0.0.1", Messages: 12, Sent: &queue.Sent{Connection: 1234, Data: 10440}, Code: 250,
			Status: "2.0.0", Description: "OK: queued as 12345"}}}
}

// spent is the processor time that this process has taken.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package mta

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// taken is a Sender that counts.
type taken struct {
	n    atomic.Int64
	most int64
	done chan struct{}
}

func (s *taken) Open(context.Context, *delivery.Hop) (delivery.Connection, error) { return s, nil }

func (s *taken) Deliver(_ context.Context, tx, _ *delivery.Transaction) {
	tx.Result = queue.Result{State: queue.StateMessage, Result: queue.Accepted, Code: 250}
	if s.n.Add(1) == s.most {
		close(s.done)
	}
}

func (s *taken) Usable() bool                  { return true }
func (s *taken) Idle(ctx context.Context) bool { <-ctx.Done(); return true }
func (s *taken) Close() error                  { return nil }

// cpuTime is how much of processors this process has had.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPersonalised measures what filling in 10 KiB costs beside delivering it to a remote that costs nothing.
func BenchmarkPersonalised(b *testing.B) {
	text := strings.Repeat("<p>Plenty of text around it, as mails have.</p>\n", 22) +
		"<p>{$name|escape}, {$city}: {$total_price}</p>\n"
	source := "From: shop@example.org\nTo: {$name} <{$recipient}>\nSubject: Hi {$name}\nContent-Type: text/html\n\n" +
		strings.Repeat(text, 10)
	body := queue.Bytes(strings.ReplaceAll(source, "\n", "\r\n"))
	for _, data := range []string{"", `{"name": "Ann", "city": "Delft", "total-price": 12.5}`} {
		b.Run(fmt.Sprintf("data=%v", data != ""), func(b *testing.B) {
			q, out := memory.New(), &taken{most: int64(b.N), done: make(chan struct{})}
			for i := range b.N {
				m := &queue.Message{Envelope: "b@example.org", Recipient: fmt.Sprintf("r%d@example.com", i), Body: body}
				if data != "" {
					m.Data = []byte(data)
				}
				require.NoError(b, q.Publish(b.Context(), queue.Item{Queue: "outbox", Message: m}))
			}
			cfg, report, err := Load([]string{"--smtp-ip", "127.0.0.1", "--smtp-port", "0", "--www-port", "0",
				"--queue-address", "disk://" + b.TempDir(), "--database-address", "sqlite://" + b.TempDir() + "/s.db",
				"--smtp-sink-address", "127.0.0.1", "--smtp-sink-port", "1"}, nil)
			require.NoError(b, err)
			m, err := Open(b.Context(), cfg, Options{Queue: q, Sender: out, Report: report,
				Logger: slog.New(slog.DiscardHandler)})
			require.NoError(b, err)
			before := cpuTime()
			b.ResetTimer()
			go func() { _ = m.Run(b.Context()) }()
			<-out.done
			b.StopTimer()
			b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
			require.NoError(b, m.Shutdown(context.Background()))
		})
	}
}

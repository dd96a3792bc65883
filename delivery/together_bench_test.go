package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
)

// BenchmarkRecipientsOfAMail measures what a message costs that goes with others, over sockets and out of files: the
// processor time of all, the server included, for each message.
func BenchmarkRecipientsOfAMail(b *testing.B) {
	for _, most := range []int{0, 10, 50} {
		b.Run(fmt.Sprint(max(1, most)), func(b *testing.B) {
			q, err := disk.Open(b.TempDir(), disk.Options{})
			require.NoError(b, err)
			defer q.Close()
			e := &delivery.Engine{Queue: q, Router: &static{common: listen(b, &smtptest.Sink{})}, Sender: &smtpout.Sender{},
				Names: delivery.QueueNames{Success: "success"}, Logger: slog.New(slog.DiscardHandler), Hostname: "sluice.test",
				PathConnections: 4, MultiRecipient: most}
			body := queue.Bytes("Subject: news\r\n\r\n" + strings.Repeat(strings.Repeat("n", 76)+"\r\n", 131))
			for at := 0; at < b.N; at += 1000 {
				items := make([]queue.Item, min(1000, b.N-at))
				for i := range items {
					items[i] = queue.Item{Queue: "outbox", Message: &queue.Message{Envelope: "news@example.org",
						Recipient: fmt.Sprintf("r%d@example.com", at+i), Body: body}}
				}
				require.NoError(b, q.Publish(context.Background(), items...))
			}
			w := &world{t: b, queue: q}
			before := processorTime(b)
			b.ResetTimer()
			ended := make(chan error, 1)
			go func() { ended <- e.Run(context.Background()) }()
			for {
				if w.stats("success").Ready == b.N {
					break
				}
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
			require.NoError(b, e.Shutdown(context.Background()))
			require.NoError(b, <-ended)
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package delivery_test

import (
	"context"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/queue"
)

var backlog = flag.Int("backlog", 30_000, "messages that wait in the test of priorities")

// TestUrgentMailOvertakesABacklog has a password reset arrive behind a newsletter to the same site: while the
// newsletter is still being looked through, and when all that the path has no room for is parked.
func TestUrgentMailOvertakesABacklog(t *testing.T) {
	var sent atomic.Int64
	arrived := make(chan int64, 1)
	sink := &smtptest.Sink{Latency: 2 * time.Millisecond, Received: func(r *smtptest.Received) {
		n := sent.Add(1)
		if r.Recipients[0] == "reset@example.com" {
			arrived <- n
		}
	}}
	w := realWorld(t, &static{common: listen(t, sink)})
	w.PathConnections = 2
	body := queue.Bytes("Subject: news\r\n\r\nAll the news.\r\n")
	for at := 0; at < *backlog; at += 1000 {
		items := make([]queue.Item, 1000)
		for i := range items {
			items[i] = queue.Item{Queue: "outbox", Message: &queue.Message{Envelope: "news@example.org",
				Recipient: fmt.Sprintf("r%d@example.com", at+i), Body: body}}
		}
		require.NoError(t, w.queue.Publish(context.Background(), items...))
	}
	w.start()
	urgent := func() {
		before, begun := sent.Load(), time.Now()
		m := mail("reset@example.com")
		m.Priority = 5
		w.publish(m)
		n := <-arrived
		t.Logf("%d mails and %v after it came in, with %d parked", n-before, time.Since(begun), w.stats("outbox").Parked)
		require.Less(t, time.Since(begun), 5*time.Second)
		require.Less(t, n-before, int64(100), "of %d", *backlog)
	}
	require.Eventually(t, func() bool { return sent.Load() > 20 }, time.Minute, time.Millisecond)
	urgent()
	require.Eventually(t, func() bool { return w.stats("outbox").Ready == 0 }, 5*time.Minute, 10*time.Millisecond)
	require.Positive(t, w.stats("outbox").Parked)
	urgent()
	w.cancel()
	require.NoError(t, <-w.ended)
}

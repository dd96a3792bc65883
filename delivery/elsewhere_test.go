package delivery_test

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// cluster has the addresses of other instances be heard of while a test goes on.
type cluster struct {
	known atomic.Bool
	asked atomic.Int32
}

// elsewhere says that 192.0.2.7 belongs to the instance that reads outbox-b, once that is known, and 192.0.2.8 to
// nobody.
func (c *cluster) elsewhere(ip netip.Addr) (string, bool) {
	c.asked.Add(1)
	if ip == netip.MustParseAddr("192.0.2.7") && c.known.Load() {
		return "outbox-b", true
	}
	return "", !ip.IsLoopback()
}

func withCluster(w *world) *cluster {
	c := new(cluster)
	w.Sources.Local = func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.1")} }
	w.Sources.Elsewhere = c.elsewhere
	return c
}

func from(recipient string, ips ...string) *queue.Message {
	m := mail(recipient)
	m.IPs = ips
	return m
}

func TestMailOfAnInstanceThatIsNotKnownYet(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c := withCluster(w)
		w.start()
		const n = 3000 // more than are in memory
		for range n {
			w.publish(from("someone@example.com", "192.0.2.7", "nonsense"))
		}
		late := from("nobody@example.com", "192.0.2.8")
		w.publish(late, from("here@example.com", "192.0.2.9", "192.0.2.1"), from("loop@example.com", "127.0.0.9"))
		w.sleep(10 * time.Second)
		require.Equal(t, 1, w.stats("success").Ready, "what may leave from here does")
		require.Equal(t, "bind/error 550", last(w.one("failure")), "no other instance has a loopback address")
		require.Equal(t, n+1, w.stats("outbox").Parked, "the rest waits, and is in nobody's way")
		why := w.why(late.ID)
		require.Equal(t, delivery.ByInstance, why.Cause)
		require.Contains(t, why.Text, "no instance is known")

		asked := c.asked.Load()
		w.sleep(5 * time.Minute)
		require.Equal(t, asked, c.asked.Load(), "it is not looked at again and again")
		c.known.Store(true)
		w.LookElsewhere()
		w.sleep(time.Minute)
		require.Equal(t, n, w.stats("outbox-b").Ready, "as soon as it is known")
		handed := w.take("outbox-b")
		require.Empty(t, handed[0].Results, "no attempt was made")
		require.Equal(t, 1, w.stats("outbox").Parked)
		w.shutDown()
	})
}

func TestMailOfAnInstanceThatIsHeardOfUnnoticed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c := withCluster(w)
		w.start()
		w.publish(from("someone@example.com", "192.0.2.7"))
		w.sleep(time.Minute)
		c.known.Store(true)
		w.sleep(queue.MaxParked + time.Second)
		require.Equal(t, 1, w.stats("outbox-b").Ready, "it is looked at now and then by itself")
		w.shutDown()
	})
}

func TestMailOfAnInstanceThatNeverComes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		withCluster(w)
		w.Retry.Lifetime = 3 * time.Hour
		w.start()
		own := from("own@example.com", "192.0.2.8")
		own.MaxDeliverTime = time.Now().Add(time.Hour).UTC()
		w.publish(from("someone@example.com", "192.0.2.8"), own)
		w.sleep(59 * time.Minute)
		require.Zero(t, w.stats("failure").Ready, "not before its time is over")
		w.sleep(12 * time.Minute)
		failed := w.one("failure")
		require.Equal(t, "own@example.com", failed.Recipient)
		require.Equal(t, "process/timeout 554", last(failed))
		require.Contains(t, failed.Results[0].Description, "no instance was known")
		w.sleep(2*time.Hour - 12*time.Minute)
		require.Zero(t, w.stats("failure").Ready)
		w.sleep(12 * time.Minute)
		require.Equal(t, "someone@example.com", w.one("failure").Recipient)
		w.shutDown()
	})
}

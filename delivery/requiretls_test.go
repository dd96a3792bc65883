package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// confidential is a mail with REQUIRETLS.
func confidential(recipient string) *queue.Message {
	m := mail(recipient)
	m.RequireTLS = true
	return m
}

// unable is how an address fails that cannot pass on mail with REQUIRETLS.
func unable() error {
	return &delivery.Failure{Temporary: true, Result: queue.Result{State: queue.StateMailFrom, Result: queue.Error,
		Code: 550, Status: "5.7.30", Description: "REQUIRETLS: the remote does not offer it"}}
}

// TestRequireTLSHasItsOwnConnections has mail with REQUIRETLS share connections with mail of the same domain that has
// it too, and with no other.
func TestRequireTLSHasItsOwnConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.router.route("a.test", []string{"a.test", "b.test"}, "mx.test")
		w.start()
		w.publish(confidential("1@a.test"), mail("2@a.test"), confidential("3@a.test"), confidential("4@b.test"))
		w.settled()
		require.Equal(t, 4, w.stats("success").Ready)
		conns := map[string]int{}
		for _, m := range w.sender.all() {
			conns[m.recipient] = m.conn
			require.Equal(t, m.recipient != "2@a.test", w.sender.hops[m.conn-1].RequireTLS, m.recipient)
		}
		require.Equal(t, conns["1@a.test"], conns["3@a.test"])
		require.NotEqual(t, conns["1@a.test"], conns["4@b.test"], "who vouches for the host is a matter of the domain")
	})
}

// TestRequireTLSTriesAllHosts goes on to the next host, and fails for good, all that waits at once, when none can do
// it.
func TestRequireTLSTriesAllHosts(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.router.route("two.test", []string{"two.test"}, "poor.test", "good.test")
		w.router.route("none.test", []string{"none.test"}, "poor.test", "poorer.test")
		w.router.route("busy.test", []string{"busy.test"}, "poor.test", "busy.test")
		w.sender.open = func(_ context.Context, hop *delivery.Hop, _ int) error {
			switch hop.Host {
			case "poor.test", "poorer.test":
				time.Sleep(time.Second)
				return unable()
			case "busy.test":
				return &delivery.Failure{Temporary: true, Result: queue.Result{State: queue.StateConnect, Result: queue.Timeout}}
			}
			return nil
		}
		w.start()
		w.publish(confidential("a@two.test"), confidential("b@none.test"), confidential("c@none.test"),
			confidential("d@busy.test"))
		w.settled()
		w.sleep(10 * time.Second)
		require.Equal(t, []string{"a@two.test"}, w.sender.recipients())
		failed := w.take("failure")
		require.Len(t, failed, 2, "as soon as it is known, however much waits")
		for _, m := range failed {
			require.Len(t, m.Results, 1)
			require.Equal(t, "5.7.30", m.Results[0].Status)
			require.Equal(t, queue.ClassTLS, m.Results[0].Class)
		}
		late := w.one("retry")
		require.Equal(t, "d@busy.test", late.Recipient, "a host that is not there may be able to do it")
	})
}

// TestTLSOptional leaves policies out of mail that says TLS-Required: No, and out of no other.
func TestTLSOptional(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.TLS = hostPolicies{"mx.a.test": untrusted}
		w.start()
		free, both := mail("free@a.test"), confidential("both@a.test")
		free.TLSOptional, both.TLSOptional = true, true
		said := mail("said@a.test")
		said.Body = queue.Bytes("Subject: x\r\nTLS-Required: no\r\n\r\nx\r\n")
		w.publish(free, both, said, mail("bound@a.test"))
		w.settled()
		require.ElementsMatch(t, []string{"free@a.test", "said@a.test"}, w.sender.recipients())
		require.True(t, w.sender.hops[0].TLS.Waived)
		require.False(t, w.sender.hops[0].RequireTLS)
	})
}

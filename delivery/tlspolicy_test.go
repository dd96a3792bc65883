package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// hostPolicies is what hosts publish, by name. A host with an error must not be connected to.
type hostPolicies map[string]any

func (p hostPolicies) Host(_ context.Context, route *delivery.Route, host delivery.Host) (delivery.TLSPolicy, error) {
	switch answer := p[host.Name].(type) {
	case error:
		return delivery.TLSPolicy{}, answer
	case delivery.TLSPolicy:
		return answer, nil
	}
	if route.STS != nil {
		return delivery.TLSPolicy{Type: "sts", Testing: route.STS.Testing}, nil
	}
	return delivery.TLSPolicy{}, nil
}

var untrusted = &delivery.Failure{Temporary: true, Result: queue.Result{State: queue.StateDNS, Result: queue.Error,
	Code: 451, Status: "4.7.5", Description: "dnssec-invalid: no answer",
	TLSPolicy: &queue.TLSPolicy{Type: "dane", Mode: "enforce", Failure: "dnssec-invalid"}}}

// TestPoliciesKeepConnectionsApart has mail under policies that demand the same share connections with no other mail of
// the site.
func TestPoliciesKeepConnectionsApart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.TLS = hostPolicies{}
		policies := map[string]*delivery.STSPolicy{"none.test": nil, "plain.test": nil,
			"testing.test": {Testing: true}, "a.test": {Key: "mx.test"}, "b.test": {Key: "mx.test"}, "c.test": {Key: "*.test"}}
		for domain, policy := range policies {
			w.router.route("mx.test", []string{domain}, "mx.test")
			w.router.routes[domain].STS = policy
		}
		w.router.route("mx.test", []string{"signed.test"}, "mx.test")
		w.router.routes["signed.test"].Secure = true
		w.start()
		for domain := range policies {
			w.publish(mail("someone@" + domain))
		}
		w.publish(mail("someone@signed.test"))
		w.settled()
		require.Equal(t, 7, w.stats("success").Ready)
		conns := map[string]int{}
		for _, m := range w.sender.all() {
			conns[m.recipient[len("someone@"):]] = m.conn
		}
		require.Equal(t, conns["a.test"], conns["b.test"], "the same is demanded")
		require.NotEqual(t, conns["a.test"], conns["c.test"], "other hosts are allowed")
		require.NotEqual(t, conns["a.test"], conns["none.test"])
		require.Equal(t, conns["testing.test"], conns["none.test"], "nothing is demanded")
		require.NotEqual(t, conns["signed.test"], conns["none.test"], "TLSA records count for one of them")
		require.EqualValues(t, 4, w.sender.opened.Load())
	})
}

// TestUntrustedHosts goes on with the next host, and has the mail wait when there is none; the result says why.
func TestUntrustedHosts(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.TLS = hostPolicies{"first.test": untrusted}
		w.router.route("two.test", []string{"two.test"}, "first.test", "second.test")
		w.router.route("one.test", []string{"one.test"}, "first.test")
		w.start()
		w.publish(mail("a@two.test"), mail("b@one.test"))
		w.settled()
		require.Equal(t, "a@two.test", w.one("success").Recipient)
		require.Equal(t, []string{"a@two.test"}, w.sender.recipients())
		require.Equal(t, "second.test", w.sender.hops[0].Host)
		w.sleep(time.Second)
		late := w.one("retry")
		require.Equal(t, "b@one.test", late.Recipient)
		last := late.Results[len(late.Results)-1]
		require.Equal(t, "dnssec-invalid", last.TLSPolicy.Failure)
		require.Equal(t, "4.7.5", last.Status)
	})
}

// TestPolicyReachesSender hands the policy of the very host to the connection that is made to it.
func TestPolicyReachesSender(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.TLS = hostPolicies{"mx.a.test": delivery.TLSPolicy{Type: "dane", ServerName: "base.test"}}
		w.start()
		w.publish(mail("x@a.test"), mail("x@b.test"))
		w.settled()
		for _, hop := range w.sender.hops {
			require.Equal(t, hop.Host == "mx.a.test", hop.TLS.Enforced(), hop.Host)
		}
	})
}

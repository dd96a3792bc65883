package probe_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/probe"
	"github.com/sluicemail/sluice/queue"
)

// net is a network of one host.
type net struct {
	delivery.Router
	route     *delivery.Route
	failure   error
	addresses []netip.Addr
	result    queue.Result
	hop       *delivery.Hop // that was tried
}

func (n *net) Route(context.Context, string) (*delivery.Route, error) { return n.route, n.failure }
func (n *net) Addresses(context.Context, delivery.Host) ([]netip.Addr, error) {
	return n.addresses, nil
}
func (n *net) Probe(_ context.Context, hop *delivery.Hop, _, _ string) queue.Result {
	n.hop = hop
	return n.result
}

func (n *net) test(t *testing.T, address string, m *queue.Message,
	security queue.Security) (last probe.Step, all string) {
	t.Helper()
	p := &probe.Prober{Router: n, Sender: n, Security: func(netip.Addr, string) queue.Security { return security }}
	steps, err := p.Probe(t.Context(), address, m)
	require.NoError(t, err)
	for _, s := range steps {
		all += s.Step + ": " + s.Text + "\n"
	}
	return steps[len(steps)-1], all
}

// TestSecurity has mail that says nothing obey what throttles demand, and mail that says something obey itself.
func TestSecurity(t *testing.T) {
	n := &net{route: &delivery.Route{Site: "site.test", Hosts: []delivery.Host{{Name: "mx.a.test"}}},
		addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		result:    queue.Result{State: queue.StateStartTLS, Result: queue.Error, Description: "certificate: it is not valid"}}
	m := new(queue.Message)
	last, all := n.test(t, "jo@a.test", m, queue.Verified)
	require.Equal(t, queue.Verified, n.hop.Security)
	require.Contains(t, all, "security: throttles demand security verified")
	require.Contains(t, last.Text, "security verified needs a certificate")
	require.Empty(t, m.Security, "the message is as it was")
	_, all = n.test(t, "jo@a.test", new(queue.Message), queue.Opportunistic)
	require.Equal(t, queue.Opportunistic, n.hop.Security)
	require.NotContains(t, all, "throttles")
	_, all = n.test(t, "jo@a.test", &queue.Message{Security: queue.Required}, queue.Verified)
	require.Equal(t, queue.Required, n.hop.Security)
	require.NotContains(t, all, "throttles")
	n.route.Relay = true
	n.test(t, "jo@a.test", new(queue.Message), queue.Verified)
	require.Equal(t, []string{"mx.a.test"}, n.hop.CertNames, "a relay shows its own name")
}

// TestNowhere ends with a sentence where there is no route, or no address.
func TestNowhere(t *testing.T) {
	for want, n := range map[string]*net{
		"Mail fails: there is nowhere to send it (no such domain).": {failure: &delivery.Failure{
			Result: queue.Result{Description: "no such domain"}}},
		"Mail waits: where it is to go cannot be found out (": {failure: &delivery.Failure{Temporary: true,
			Result: queue.Result{Description: "server failure"}}},
		"Mail waits: where it is to go cannot be found out (there is none).": {
			route: &delivery.Route{Hosts: []delivery.Host{{Name: "mx.a.test"}}}},
	} {
		last, all := n.test(t, "jo@a.test", new(queue.Message), "")
		require.Equal(t, "verdict", last.Step, all)
		require.False(t, last.Good)
		require.True(t, strings.HasPrefix(last.Text, want), last.Text)
		require.True(t, strings.HasSuffix(last.Text, "."), last.Text)
	}
}

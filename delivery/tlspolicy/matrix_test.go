package tlspolicy_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/probe"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
)

var levels = []queue.Security{queue.Optional, queue.Opportunistic, queue.Required, queue.Verified}

// TestMatrix sends a mail for each cell of testdata/matrix.txt: to real zones, signed and not, policies over HTTPS, and
// servers with every kind of certificate.
func TestMatrix(t *testing.T) {
	w := newWorld(t)
	text, err := os.ReadFile("testdata/matrix.txt")
	require.NoError(t, err)
	cells := 0
	for line := range bytes.Lines(text) {
		cell := strings.Fields(string(line))
		if len(cell) == 0 || cell[0] == "#" {
			continue
		}
		require.Len(t, cell, 3+len(levels), "%s", line)
		cells++
		t.Run(cell[0]+"/"+cell[1]+"/requiretls", func(t *testing.T) {
			m := &queue.Message{RequireTLS: true}
			require.Equal(t, cell[2+len(levels)], w.send(t, domainOf(cell[0]), cell[1], queue.Optional, m))
			w.explains(t, cell, cell[2+len(levels)], queue.Optional, &queue.Message{RequireTLS: true})
		})
		for i, security := range levels {
			cells++
			t.Run(cell[0]+"/"+cell[1]+"/"+string(security), func(t *testing.T) {
				require.Equal(t, cell[2+i], w.send(t, domainOf(cell[0]), cell[1], security, new(queue.Message)))
				w.explains(t, cell, cell[2+i], security, new(queue.Message))
			})
		}
	}
	require.GreaterOrEqual(t, cells, 60)
}

// send sends a mail and says what became of it, in the words of the matrix.
func (w *world) send(t *testing.T, domain, server string, security queue.Security, m *queue.Message) string {
	route, err := w.finder.Route(t.Context(), domain)
	require.NoError(t, err)
	require.Len(t, route.Hosts, 1)
	host := route.Hosts[0]
	host.Port = int(w.servers[server].Port())
	policy, err := w.policies.Host(t.Context(), route, host)
	if err != nil {
		policy.Tell(delivery.TLSSession{})
		return reason(t, err)
	}
	sender := &smtpout.Sender{TLS: w.client, ClearFallback: true}
	hop := &delivery.Hop{Target: w.servers[server], Host: host.Name, Domain: domain, Hostname: "client.test",
		Security: security, CertNames: []string{domain}, TLS: policy,
		RequireTLS: m.RequireTLS, Vouched: route.Vouches(host, &policy)}
	conn, err := sender.Open(t.Context(), hop)
	if err != nil {
		return reason(t, err)
	}
	defer conn.Close()
	m.Envelope, m.Recipient = "a@client.test", "b@"+domain
	tx := &delivery.Transaction{Message: m, Body: queue.Bytes("Subject: x\r\n\r\nx\r\n")}
	conn.Deliver(t.Context(), tx, nil)
	require.True(t, tx.Result.Success(), "%+v", tx.Result)
	outcome := "C"
	if tx.Result.Cipher != nil {
		outcome = "T"
	}
	if p := tx.Result.TLSPolicy; p != nil && p.Failure != "" {
		require.Equal(t, "testing", p.Mode)
		require.NotEmpty(t, p.Reason)
		outcome += "/" + p.Failure
	}
	return outcome
}

// reason names why a mail does not go. All of it may be tried again, but what REQUIRETLS alone forbids.
func reason(t *testing.T, err error) string {
	var failure *delivery.Failure
	require.True(t, errors.As(err, &failure), "%v", err)
	require.True(t, failure.Temporary, "%v", err)
	p := failure.Result.TLSPolicy
	switch {
	case failure.Result.Status == "5.7.30":
		require.Equal(t, queue.StateMailFrom, failure.Result.State)
		require.Equal(t, 550, failure.Result.Code)
		return "5.7.30"
	case p != nil && p.Mode == "enforce" && p.Failure != "":
		return p.Failure
	case strings.HasPrefix(failure.Result.Description, "certificate:"):
		return "untrusted"
	}
	return "no-tls"
}

// TestRelaysHaveNoPolicy leaves smarthosts, hosts with an address of the settings, and literals to the operator.
func TestRelaysHaveNoPolicy(t *testing.T) {
	w := newWorld(t)
	for name, route := range map[string]*delivery.Route{
		"relay": {Relay: true, Secure: true, Hosts: []delivery.Host{{Name: "mx.dane-wrong.signed.test"}}},
		"override": {Secure: true, STS: &delivery.STSPolicy{Key: "x", Patterns: []string{"x"}},
			Hosts: []delivery.Host{{Name: "given.signed.test"}}},
		"literal": {Secure: true, Hosts: []delivery.Host{{Name: "192.0.2.1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			policy, err := w.policies.Host(t.Context(), route, route.Hosts[0])
			require.NoError(t, err)
			require.Empty(t, policy.Type)
		})
	}
}

// TestSharing has mail of domains whose policies demand the same share connections, and no other.
func TestSharing(t *testing.T) {
	w := newWorld(t)
	key := func(policy string) string {
		p := w.policies.Domain(context.Background(), domainOf(policy))
		require.NotNil(t, p, policy)
		return p.Key
	}
	require.Equal(t, key("sts-shared-a"), key("sts-shared-b"))
	require.NotEqual(t, key("sts-shared-a"), key("sts-enforce"))
	require.Empty(t, key("sts-testing"), "it keeps nothing from going")
}

// TestCounted has each connection counted once, under the policy that applied to it.
func TestCounted(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ policy, server, want string }{
		{"none", "good", "no-policy-found"},
		{"none", "no-starttls", "no-policy-found starttls-not-supported"},
		{"none", "broken", "no-policy-found validation-failure"},
		{"sts-enforce", "good", "sts"},
		{"sts-enforce", "expired", "sts certificate-expired"},
		{"sts-enforce", "refused", "sts starttls-not-supported"},
		{"sts-testing", "wrong-name", "sts certificate-host-mismatch"},
		{"sts-no-such-mx", "good", "sts validation-failure"},
		{"sts-testing-no-mx", "good", "sts validation-failure"},
		{"sts-down", "good", "sts sts-policy-fetch-error"},
		{"sts-redirected", "good", "sts sts-policy-fetch-error"},
		{"sts-broken", "good", "sts sts-policy-invalid"},
		{"sts-other-name", "good", "sts sts-webpki-invalid"},
		{"sts-none", "good", "no-policy-found"},
		{"dane-ee", "good", "tlsa"},
		{"dane-ee", "self-signed", "tlsa validation-failure"},
		{"dane-bogus", "good", "tlsa dnssec-invalid"},
		{"dane-insecure", "self-signed", "no-policy-found"},
	} {
		w.counted = nil
		w.send(t, domainOf(c.policy), c.server, queue.Opportunistic, new(queue.Message))
		require.Equal(t, []string{domainOf(c.policy) + " " + c.want}, w.counted, "%s %s", c.policy, c.server)
	}
}

func loopback(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// explains has the cell tested as an operator would, and the sentence at the end say what becomes of the mail.
func (w *world) explains(t *testing.T, cell []string, outcome string, security queue.Security, m *queue.Message) {
	m.Security = security
	p := &probe.Prober{Router: &atPort{w.finder, int(w.servers[cell[1]].Port())}, Policies: w.policies,
		Hostname: "client.test", Sender: &smtpout.Sender{TLS: w.client, ClearFallback: true}}
	steps, err := p.Probe(t.Context(), "b@"+domainOf(cell[0]), m)
	require.NoError(t, err)
	last := steps[len(steps)-1]
	require.Equal(t, "verdict", last.Step, "%v", steps)
	goes, violated, _ := strings.Cut(outcome, "/")
	want := map[string]string{"C": "goes in clear text", "T": "over ",
		"untrusted": "security verified needs a certificate", "no-tls": "TLS is needed and cannot be had", "5.7.30": "Mail with REQUIRETLS cannot go there: "}[goes]
	require.Contains(t, last.Text, cmp.Or(want, "Mail waits: the host violates its "))
	require.Contains(t, last.Text, cmp.Or(violated, map[bool]string{true: goes}[want == ""]))
	require.Equal(t, goes == "C" || goes == "T", last.Good)
	require.True(t, strings.HasSuffix(last.Text, "."), last.Text)
	_, err = p.Probe(t.Context(), "c@"+domainOf(cell[0]), m)
	require.ErrorIs(t, err, probe.ErrBusy, "the domain was tested a moment ago")
}

// atPort finds the hosts of domains where the servers of a test are.
type atPort struct {
	*mx.Finder
	port int
}

func (a *atPort) Route(ctx context.Context, domain string) (*delivery.Route, error) {
	found, err := a.Finder.Route(ctx, domain)
	if err != nil {
		return nil, err
	}
	there := *found
	there.Hosts = slices.Clone(found.Hosts)
	for i := range there.Hosts {
		there.Hosts[i].Port = a.port
	}
	return &there, nil
}

package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// network is a part of the loopback network that this test has for itself: port 25 of its hosts is free.
type network string

// newNetwork skips the test when port 25 may not be used.
func newNetwork(t testing.TB) network {
	t.Helper()
	n := network(fmt.Sprintf("127.%d.%d.", 1+rand.IntN(250), rand.IntN(250)))
	l, err := listenTCP(n.host(250) + ":25")
	if errors.Is(err, syscall.EACCES) {
		t.Skip("cannot listen on port 25, which takes root")
	}
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return n
}

func (n network) host(i int) string { return fmt.Sprint(string(n), i) }

// sink starts a sink on port 25 of a host.
func (n network) sink(t testing.TB, i int, s *smtptest.Sink) *sink {
	t.Helper()
	k := &sink{Sink: s}
	s.Received = k.keep
	k.serve(t, n.host(i)+":25")
	return k
}

// TestDeliveryByMX looks targets up at a real DNS server: MX by preference, implicit MX, CNAMEs, and every way in which a
// domain can say that it takes no mail.
func TestDeliveryByMX(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	server := testserver.Dnsmasq(t, "mail.test",
		"--host-record=mx1.mail.test,"+n.host(1), // nobody is there
		"--host-record=mx4.mail.test,"+n.host(4), // nor there
		"--host-record=mx2.mail.test,"+n.host(2),
		"--host-record=mx3.mail.test,"+n.host(3),
		"--host-record=plain.mail.test,"+n.host(2),
		"--mx-host=second.mail.test,mx1.mail.test,10", "--mx-host=second.mail.test,mx2.mail.test,20",
		"--mx-host=first.mail.test,mx3.mail.test,10", "--mx-host=first.mail.test,mx2.mail.test,20",
		"--mx-host=refused.mail.test,mx4.mail.test,10",
		"--mx-host=dangling.mail.test,gone.mail.test,10",
		"--cname=alias.mail.test,plain.mail.test",
		"--dns-rr=null.mail.test,15,000000", // MX 0 .
		"--txt-record=empty.mail.test,nothing but text",
	)
	second, third := n.sink(t, 2, &smtptest.Sink{}), n.sink(t, 3, &smtptest.Sink{})
	log, logging := sendLog(t)
	d := start(t, logging.with(settings{"dns-servers": server, "allow-private-targets": "true", "rabbitmq-failure": "failure"}))
	fate := map[string]string{
		"second": "message/accepted 250", "first": "message/accepted 250", "plain": "message/accepted 250", "alias": "message/accepted 250",
		"null": "dns/error 556 5.1.10", "nowhere": "dns/error 550 5.1.2", "empty": "dns/error 550 5.1.2", "dangling": "dns/error 550",
		"refused": "connect/",
	}
	for domain := range fate {
		d.submit(t, "a@client.test", "x@"+domain+".mail.test", "Subject: try\r\n\r\nText")
	}
	for domain, want := range fate {
		got := awaitAttempts(t, log, "x@"+domain+".mail.test", 1)[0].last()
		text := fmt.Sprint(got.pair(), " ", got.Code, " ", got.Status)
		require.True(t, strings.HasPrefix(text, want), "%s: expected %s, got %s %s", domain, want, text, got.Description)
	}
	require.ElementsMatch(t, []string{"x@second.mail.test", "x@plain.mail.test", "x@alias.mail.test"}, second.recipients())
	require.Equal(t, []string{"x@first.mail.test"}, third.recipients(), "the preferred MX")
	d.terminate(t)
	q := openQueue(t, d.queue)
	require.Equal(t, 4, waiting(t, q)["failure"])
	require.Equal(t, 1, waiting(t, q)["outbox"], "the mail whose host refused connections is tried again")
}

// TestPrivateTargets has a public domain name an MX on loopback: without allow-private-targets nobody connects there.
func TestPrivateTargets(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	k := n.sink(t, 1, &smtptest.Sink{})
	server := testserver.DNS(t, testserver.Zone(t, "evil.test. MX 10 mx.evil.test.\nmx.evil.test. A "+n.host(1)))
	log, logging := sendLog(t)
	d := start(t, logging.with(settings{"dns-servers": server}))
	d.submit(t, "a@client.test", "x@evil.test", "Subject: try\r\n\r\nText")
	require.NotEqual(t, "message/accepted", awaitAttempts(t, log, "x@evil.test", 1)[0].last().pair())
	require.Zero(t, k.Stats().Connections)
}

// TestBadDNS has the DNS be slow, broken, circular, and gone. Mail that needs it is tried again; other mail is not held up.
func TestBadDNS(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a minute, as failed look-ups are remembered for a while")
	}
	t.Parallel()
	n := newNetwork(t)
	k := n.sink(t, 1, &smtptest.Sink{})
	zone := testserver.Zone(t, fmt.Sprintf(`
known.test. MX 10 mx.known.test.
mx.known.test. A %[1]s
late.test. MX 10 mx.known.test.
silent.test. MX 10 mx.known.test.
round.test. CNAME about.test.
about.test. CNAME round.test.
`, n.host(1)))
	var down atomic.Bool
	server := testserver.DNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		switch name := q.Question[0].Name; {
		case down.Load(), name == "silent.test.":
		case name == "broken.test.":
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
		default:
			zone(w, q)
		}
	})
	log, logging := sendLog(t)
	d := start(t, logging.with(settings{"dns-servers": server, "allow-private-targets": "true", "retry-interval": "1"}))
	submit := func(domain string) { d.submit(t, "a@client.test", "x@"+domain, "Subject: try\r\n\r\nText") }
	firstOf := func(domain string) (first outcome) {
		eventually(t, "an attempt for "+domain, func() bool {
			all := attemptsOf(t, log, "x@"+domain)
			if len(all) > 0 {
				first = all[0].last()
			}
			return len(all) > 0
		})
		return first
	}
	submit("silent.test")
	submit("broken.test")
	submit("round.test")
	submit("known.test")
	require.Equal(t, "message/accepted", firstOf("known.test").pair())
	require.Empty(t, attemptsOf(t, log, "x@silent.test"), "the look-up still waits")
	for _, domain := range []string{"broken.test", "round.test", "silent.test"} {
		first := firstOf(domain)
		require.Equal(t, "dns", first.State, "%s: %s", domain, first.Description)
		require.Less(t, first.Code, 500, "%s is tried again: %s", domain, first.Description)
	}

	down.Store(true)
	submit("late.test")
	submit("known.test") // its answer is still known
	eventually(t, "mail to a known domain", func() bool { return len(attemptsOf(t, log, "x@known.test")) == 2 })
	require.Equal(t, "dns", firstOf("late.test").State)
	down.Store(false)
	eventually(t, "mail arrives once the DNS is back", func() bool { return strings.Contains(fmt.Sprint(k.recipients()), "x@late.test") })
	require.Equal(t, []string{"x@known.test", "x@known.test", "x@late.test"}, k.recipients())
}

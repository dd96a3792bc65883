package e2e

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestDeliveryByMX looks targets up at a real DNS server: MX by preference, implicit MX, CNAMEs, and every way in which
// a domain can say that it takes no mail.
func TestDeliveryByMX(t *testing.T) {
	t.Parallel()
	n := mtatest.NewNetwork(t)
	server := testserver.Dnsmasq(t, "mail.test",
		"--host-record=mx1.mail.test,"+n.Host(1), // nobody is there
		"--host-record=mx4.mail.test,"+n.Host(4), // nor there
		"--host-record=mx2.mail.test,"+n.Host(2),
		"--host-record=mx3.mail.test,"+n.Host(3),
		"--host-record=plain.mail.test,"+n.Host(2),
		"--mx-host=second.mail.test,mx1.mail.test,10", "--mx-host=second.mail.test,mx2.mail.test,20",
		"--mx-host=first.mail.test,mx3.mail.test,10", "--mx-host=first.mail.test,mx2.mail.test,20",
		"--mx-host=refused.mail.test,mx4.mail.test,10",
		"--mx-host=dangling.mail.test,gone.mail.test,10",
		"--cname=alias.mail.test,plain.mail.test",
		"--dns-rr=null.mail.test,15,000000", // MX 0 .
		"--txt-record=empty.mail.test,nothing but text",
	)
	second, third := n.Sink(t, 2, &smtptest.Sink{}), n.Sink(t, 3, &smtptest.Sink{})
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, logging.With(mtatest.Settings{"dns-servers": server, "allow-private-targets": "true",
		"rabbitmq-failure": "failure"}))
	fate := map[string]string{
		"second": "message/accepted 250", "first": "message/accepted 250", "plain": "message/accepted 250",
		"alias": "message/accepted 250",
		"null":  "dns/error 556 5.1.10", "nowhere": "dns/error 550 5.1.2", "empty": "dns/error 550 5.1.2",
		"dangling": "dns/error 550",
		"refused":  "connect/",
	}
	for domain := range fate {
		d.Submit(t, "a@client.test", "x@"+domain+".mail.test", "Subject: try\r\n\r\nText")
	}
	for domain, want := range fate {
		got := mtatest.AwaitAttempts(t, log, "x@"+domain+".mail.test", 1)[0].Last()
		text := fmt.Sprint(got.Pair(), " ", got.Code, " ", got.Status)
		require.True(t, strings.HasPrefix(text, want), "%s: expected %s, got %s %s", domain, want, text, got.Description)
	}
	require.ElementsMatch(t, []string{"x@second.mail.test", "x@plain.mail.test", "x@alias.mail.test"}, second.Recipients())
	require.Equal(t, []string{"x@first.mail.test"}, third.Recipients(), "the preferred MX")
	d.Terminate(t)
	q := mtatest.OpenQueue(t, d.Queue)
	require.Equal(t, 4, mtatest.Waiting(t, q)["failure"])
	require.Equal(t, 1, mtatest.Waiting(t, q)["outbox"], "the mail whose host refused connections is tried again")
}

// TestPrivateTargets has a public domain name an MX on loopback: without allow-private-targets nobody connects there.
func TestPrivateTargets(t *testing.T) {
	t.Parallel()
	n := mtatest.NewNetwork(t)
	k := n.Sink(t, 1, &smtptest.Sink{})
	server := testserver.DNS(t, testserver.Zone(t, "evil.test. MX 10 mx.evil.test.\nmx.evil.test. A "+n.Host(1)))
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, logging.With(mtatest.Settings{"dns-servers": server}))
	d.Submit(t, "a@client.test", "x@evil.test", "Subject: try\r\n\r\nText")
	require.NotEqual(t, "message/accepted", mtatest.AwaitAttempts(t, log, "x@evil.test", 1)[0].Last().Pair())
	require.Zero(t, k.Stats().Connections)
}

// TestBadDNS has the DNS be slow, broken, circular, and gone. Mail that needs it is tried again; other mail is not held
// up.
func TestBadDNS(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a minute, as failed look-ups are remembered for a while")
	}
	t.Parallel()
	n := mtatest.NewNetwork(t)
	k := n.Sink(t, 1, &smtptest.Sink{})
	zone := testserver.Zone(t, fmt.Sprintf(`
known.test. MX 10 mx.known.test.
mx.known.test. A %[1]s
late.test. MX 10 mx.known.test.
silent.test. MX 10 mx.known.test.
round.test. CNAME about.test.
about.test. CNAME round.test.
`, n.Host(1)))
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
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, logging.With(mtatest.Settings{"dns-servers": server, "allow-private-targets": "true",
		"retry-interval": "1"}))
	submit := func(domain string) { d.Submit(t, "a@client.test", "x@"+domain, "Subject: try\r\n\r\nText") }
	firstOf := func(domain string) (first mtatest.Outcome) {
		mtatest.Eventually(t, "an attempt for "+domain, func() bool {
			all := mtatest.AttemptsOf(t, log, "x@"+domain)
			if len(all) > 0 {
				first = all[0].Last()
			}
			return len(all) > 0
		})
		return first
	}
	submit("silent.test")
	submit("broken.test")
	submit("round.test")
	submit("known.test")
	require.Equal(t, "message/accepted", firstOf("known.test").Pair())
	require.Empty(t, mtatest.AttemptsOf(t, log, "x@silent.test"), "the look-up still waits")
	for _, domain := range []string{"broken.test", "round.test", "silent.test"} {
		first := firstOf(domain)
		require.Equal(t, "dns", first.State, "%s: %s", domain, first.Description)
		require.Less(t, first.Code, 500, "%s is tried again: %s", domain, first.Description)
	}

	down.Store(true)
	submit("late.test")
	submit("known.test") // its answer is still known
	mtatest.Eventually(t, "mail to a known domain",
		func() bool { return len(mtatest.AttemptsOf(t, log, "x@known.test")) == 2 })
	require.Equal(t, "dns", firstOf("late.test").State)
	down.Store(false)
	mtatest.Eventually(t, "mail arrives once the DNS is back",
		func() bool { return strings.Contains(fmt.Sprint(k.Recipients()), "x@late.test") })
	require.Equal(t, []string{"x@known.test", "x@known.test", "x@late.test"}, k.Recipients())
}

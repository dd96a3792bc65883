package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestResultQueues has a mail delivered and another one refused: what was found about them is in the queues for
// results.
func TestResultQueues(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewKeeper(t, &smtptest.Sink{})
	sent, log := mtatest.SendLog(t)
	d := mtatest.Inside(t, sink.Settings().With(clients).With(names(t, key(t))).With(log).With(mtatest.Settings{
		"smtp-check": "spf,dkim,dmarc", "dsn-notify": "NEVER", "rabbitmq-results": "results", "rabbitmq-success": "success",
		"rabbitmq-failure": "failure",
	}))
	mail := letter("ann@sender.test", "plain", "Hello.")
	submit(t, d, good, "ann@sender.test", "there@sink.test", mail, 250)
	submit(t, d, stray, "ann@sender.test", "reject@sink.test", mail, 250)
	mtatest.AwaitAttempts(t, sent, "there@sink.test", 1)
	mtatest.AwaitAttempts(t, sent, "reject@sink.test", 1)
	q := d.Stopped(t)
	want := map[string][]string{
		"there@sink.test":  {`{"spf":"pass"}`, `{"dkim":"none"}`, `{"dmarc":"pass"}`},
		"reject@sink.test": {`{"spf":"fail"}`, `{"dkim":"none"}`, `{"dmarc":"fail","disposition":"reject"}`},
	}
	for name, n := range map[string]int{"results": 2, "success": 1, "failure": 1} {
		for _, m := range mtatest.Stored(t, q, name, n) {
			parse(t, m.Checks).requireAll(t, want[m.Recipient]...)
		}
	}
}

// TestDNSSEC has a validating resolver vouch for the key and the policy, and is told to believe it or not.
func TestDNSSEC(t *testing.T) {
	t.Parallel()
	k := key(t)
	knot := testserver.Knot(t, zone(k), "test")
	unbound := testserver.Unbound(t, map[string]string{"test": knot.Address}, knot.TrustAnchor)
	signed := k.sign(t, letter("ann@sender.test", "plain", "Hello."), "dkimsign")
	for trust, want := range map[string]bool{"true": true, "false": false} {
		sink := mtatest.NewKeeper(t, &smtptest.Sink{})
		sent, log := mtatest.SendLog(t)
		d := mtatest.Inside(t, sink.Settings().With(clients).With(log).With(mtatest.Settings{
			"dns-servers": unbound, "dns-trust-ad": trust, "smtp-check": "spf,dkim,dmarc", "smtp-auth-results": "nonlocal",
		}))
		submit(t, d, good, "ann@sender.test", "x@sink.test", signed, 250)
		header, _ := arrived(t, sink, "x@sink.test")
		found := logged(t, sent, "x@sink.test")
		found.requireAll(t, `{"dkim":"pass"}`, `{"dmarc":"pass"}`)
		require.Equal(t, want, found.has(t, `{"dkim":"pass","dnssec":true}`))
		require.Equal(t, want, found.has(t, `{"dmarc":"pass","dnssec":true}`))
		if want {
			require.Regexp(t, `dkim=pass[^;]* dns\.sec=yes`, header)
			require.Regexp(t, `dmarc=pass[^;]* dns\.sec=yes`, header)
		} else {
			require.NotContains(t, header, "dns.sec")
		}
	}
}

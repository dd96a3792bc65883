package steering

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/report"
	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/tlsreport"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// dkimpyAsks verifies the signature of a mail with the key that a name server has.
const dkimpyAsks = `
import dkim, dns.resolver, sys
r = dns.resolver.Resolver(configure=False)
r.nameservers, r.port = [sys.argv[1]], int(sys.argv[2])
def txt(name, timeout=5):
    return b"".join(list(r.resolve(name.decode(), "TXT"))[0].strings)
print(dkim.verify(sys.stdin.buffer.read(), dnsfunc=txt))
`

// soon is a domain whose report on a day goes out within seconds of its end, wherever in the half day after it those of
// others go.
func soon(day time.Time, host string) string {
	for i := 0; ; i++ {
		domain := fmt.Sprintf("d%d.test", i)
		h := fnv.New64a()
		fmt.Fprintf(h, "%s.%s@%s", day.Format(time.DateOnly), domain, host)
		if h.Sum64()%uint64(12*time.Hour) < uint64(5*time.Second) {
			return domain
		}
	}
}

// TestTLSReportLeaves has the report on a day that is over leave as RFC 8460 §5.3 wants it: signed, so that another
// program with the key of the DNS says so, compressed, and TLS not required, as it may be about TLS that does not work.
func TestTLSReportLeaves(t *testing.T) {
	if testing.Short() {
		t.Skip("reports are looked after once a minute")
	}
	t.Parallel()
	testserver.Need(t, "dkimverify")
	const host = "mta.sender.test"
	private, records := keys(t)
	half := len(records[0]) / 2
	zone := fmt.Sprintf("r._domainkey.sender.test. TXT \"%s\" \"%s\"\n", records[0][:half], records[0][half:])
	queue := filepath.Join(t.TempDir(), "queue")
	require.NoError(t, os.MkdirAll(queue, 0o700))
	counts := &tlsreport.Reporter{Host: host, Path: filepath.Join(queue, "tls-reports.json")}
	require.NoError(t, counts.Open())
	for _, day := range []time.Time{time.Now().UTC().Add(-24 * time.Hour), time.Now().UTC()} { // midnight may come
		domain := soon(day, host)
		zone += "_smtp._tls." + domain + ". TXT \"v=TLSRPTv1; rua=mailto:tls@reports.test\"\n"
		counts.Now = func() time.Time { return day }
		counts.Count(domain, "mx."+domain, tlsreport.Policy{Type: "no-policy-found"}, delivery.TLSSession{})
		counts.Count(domain, "mx."+domain, tlsreport.Policy{Type: "no-policy-found"}, delivery.TLSSession{
			Violation: &delivery.TLSViolation{Type: "starttls-not-supported", Reason: "it offers none"}})
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	counts.Run(over) // which keeps them
	server := testserver.DNS(t, testserver.Zone(t, zone))
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.DKIMKey{ID: 1, Domain: "sender.test", Selector: "r", PrivateKey: store.Secret(private[0]),
		Enabled: true})
	mtatest.Insert(t, db, store.DKIMPattern{DKIMKey: 1, Type: store.Wildcard, Sign: "*sender.test"})
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	mtatest.Inside(t, k.Settings().With(set).With(mtatest.Settings{"dns-servers": server, "smtp-hostname": host,
		"tls-report-from": "tls@sender.test", "queue-address": "disk://" + queue}))
	require.Eventually(t, func() bool { return len(k.Received()) > 0 }, 2*time.Minute, 100*time.Millisecond)

	mail := k.Received()[0]
	require.Equal(t, "tls@sender.test", mail.From)
	require.Equal(t, []string{"tls@reports.test"}, mail.Recipients)
	header, _, _ := strings.Cut(string(mail.Data), "\r\n\r\n")
	require.Contains(t, header, "\r\nTLS-Required: No\r\n")
	require.Contains(t, header, "d=sender.test")
	require.Contains(t, string(mail.Data), "\r\nContent-Type: application/tlsrpt+gzip\r\n")
	read, err := report.Parse(bytes.NewReader(mail.Data), int64(len(mail.Data)))
	require.NoError(t, err)
	require.Len(t, read.TLS.Policies, 1)
	require.EqualValues(t, 1, read.TLS.Policies[0].Successful)
	require.Equal(t, "starttls-not-supported", read.TLS.Policies[0].Failures[0].Type)

	ip, port, err := net.SplitHostPort(server)
	require.NoError(t, err)
	for text, want := range map[string]string{string(mail.Data): "True\n",
		strings.Replace(string(mail.Data), "Report Domain: d", "Report Domain: x", 1): "False\n",
		strings.Replace(string(mail.Data), "H4sI", "H4sJ", 1):                         "False\n"} {
		cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", dkimpyAsks, ip, port)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, want, string(out), text)
	}
}

package checks_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/clamd"
	"github.com/sluicemail/sluice/checks/dnsbl"
	"github.com/sluicemail/sluice/checks/spamd"
	"github.com/sluicemail/sluice/checks/spf"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestTogether has one runner ask real servers about a mail that all of them dislike, and then again when the scanners
// are gone.
func TestTogether(t *testing.T) {
	names := testserver.Dnsmasq(t, "test", "--txt-record=example.test,v=spf1 ip4:198.51.100.0/24 -all",
		"--host-record=1.2.0.192.bl.test,127.0.0.2")
	dns, err := resolver.New(resolver.Options{Servers: []string{names}, HostsFile: "-"})
	require.NoError(t, err)
	defer dns.Close()
	asker := checks.Bounded{Resolver: dns}
	runner := func(spamdAt, clamdAt string) *checks.Runner {
		return &checks.Runner{Timeout: 20 * time.Second, Checkers: []checks.Checker{
			&spf.Checker{Resolver: asker},
			&spamd.Checker{Service: checks.Service{Address: spamdAt}},
			&clamd.Checker{Service: checks.Service{Address: clamdAt}},
			&dnsbl.Checker{Resolver: asker, Zones: []dnsbl.Zone{{Name: "bl.test"}}},
		}}
	}
	client := netip.MustParseAddr("192.0.2.1")
	mail := &checks.Mail{Client: client, Hostname: "mail.example.test", Envelope: "a@example.test",
		Body: strings.NewReader(
			"From: a@example.test\r\nSubject: hello\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n" + testserver.TestVirus + "\r\n")}

	r := runner(testserver.Spamd(t), testserver.Clamd(t).Unix)
	mail.Earlier = r.CheckConnect(context.Background(), client)
	results := r.Check(context.Background(), mail)
	require.Equal(t, "dnsbl=fail spf=fail spam=fail virus=fail", verdicts(results))
	require.Equal(t, `{"dnsbl":"listed","zone":"bl.test","code":"127.0.0.2"}`, string(results[0].JSON))
	require.Equal(t, `{"spf":"fail","smtp.mailfrom":"a@example.test"}`, string(results[1].JSON))
	require.Contains(t, string(results[2].JSON), `{"spam":"yes","score":`)
	require.Equal(t, `{"virus":"found","signature":"Sluice.TestVirus.UNOFFICIAL"}`, string(results[3].JSON))

	r = runner("127.0.0.1:1", "/nowhere/clamd.ctl")
	results = r.Check(context.Background(), mail)
	require.Equal(t, "dnsbl=fail spf=fail spam=temperror virus=temperror", verdicts(results))
}

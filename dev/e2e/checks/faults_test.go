package checks

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// scanner starts something in place of a scanner and returns its port.
func scanner(t testing.TB, talk func(net.Conn)) string {
	t.Helper()
	l, err := mtatest.ListenTCP("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); talk(c) }()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// firstLine reads a line and then everything else that comes within a moment.
func firstLine(c net.Conn) {
	_, _ = bufio.NewReader(c).ReadString('\n')
}

func dead(t testing.TB) string { return mtatest.FreePort(t) }

// TestFailingScanners has scanners that are not there, hang up or talk nonsense: mail waits with a scanner that must be
// asked, and passes with a note otherwise.
func TestFailingScanners(t *testing.T) {
	t.Parallel()
	for name, port := range map[string]func(testing.TB) string{
		"dead": dead,
		"cut off": func(t testing.TB) string {
			return scanner(t, func(c net.Conn) { firstLine(c); _, _ = c.Write([]byte("SPAM")) })
		},
		"nonsense": func(t testing.TB) string {
			return scanner(t, func(c net.Conn) {
				_, _ = c.Write([]byte("220 mail.example ESMTP\r\n\x00\r\n\r\n"))
				firstLine(c)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := mtatest.Kept.With(clients).With(mtatest.Settings{
				"smtp-check": "spam,virus", "spamassassin-host": "127.0.0.1", "spamassassin-port": port(t),
				"clamav-address":    "tcp://127.0.0.1:" + port(t),
				"spam-reject-score": "5", "virus-action": "reject",
			})
			mail := letter("ann@sender.test", "plain", gtube+testserver.Eicar)
			d := mtatest.Inside(t, set)
			require.Contains(t, submit(t, d, good, "ann@sender.test", "x@sink.test", mail, 451),
				"4.7.1 The virus scanner cannot be asked, try again later")
			require.True(t, d.WaitLog(`msg="scanner is down" check=virus`))
			require.True(t, d.WaitLog(`msg="scanner is down" check=spam`))
			d.Rewrite(t, mtatest.Settings{"virus-fail": "open"})
			d.Reload(t)
			submit(t, d, good, "ann@sender.test", "x@sink.test", mail, 250)
			for _, m := range mtatest.Stored(t, d.Stopped(t), "inbox", 1) {
				require.JSONEq(t, `{"spam":"temperror"}`, string(m.Checks[0]))
				require.JSONEq(t, `{"virus":"temperror"}`, string(m.Checks[1]))
			}
		})
	}
}

// TestHangingScanner has a scanner that never answers: its mails get an answer within the limit of half a minute, and
// in the meantime nobody else waits.
func TestHangingScanner(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	port := scanner(t, func(c net.Conn) {
		asked <- struct{}{}
		buf := make([]byte, 1<<10)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	})
	d := mtatest.Inside(t, mtatest.Kept.With(clients).With(mtatest.Settings{
		"smtp-check": "virus", "clamav-address": "tcp://127.0.0.1:" + port,
	}))
	<-asked // by the watch
	began := time.Now()
	c := d.Proxied(t, good)
	// of which half a minute is mtad's, on a machine at leisure
	require.NoError(t, c.Conn.SetDeadline(began.Add(3*time.Minute)))
	c.Greeted()
	c.Command("MAIL FROM:<ann@sender.test>", 250)
	c.Command("RCPT TO:<x@sink.test>", 250)
	c.Command("DATA", 354)
	c.Raw(letter("ann@sender.test", "plain", "Hello.") + ".\r\n")
	<-asked
	other := d.Proxied(t, stray)
	other.Greeted()
	other.Command("MAIL FROM:<ann@sender.test>", 250)
	other.Command("RCPT TO:<x@sink.test>", 250)
	require.Less(t, time.Since(began), 20*time.Second, "the other client waited")
	require.Contains(t, c.Expect(451), "4.7.1")
	require.GreaterOrEqual(t, time.Since(began), 25*time.Second)
}

// TestWithoutDNS has no DNS: nothing fails that only could not be asked.
func TestWithoutDNS(t *testing.T) {
	t.Parallel()
	k := key(t)
	servfail := testserver.DNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
	})
	silent := testserver.DNS(t, func(dns.ResponseWriter, *dns.Msg) {})
	for name, server := range map[string]string{"dead": "127.0.0.1:1", "servfail": servfail, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := mtatest.Inside(t, mtatest.Kept.With(clients).With(mtatest.Settings{
				"dns-servers": server, "dns-timeout": "2",
				"smtp-check": "spf,dkim,dmarc,arc,dnsbl", "dnsbl-zones": "bl.test", "dmarc-enforce": "true", "dnsbl-reject": "true",
			}))
			mail := letter("ann@sender.test", "plain", "Hello.")
			signed := k.sign(t, "Authentication-Results: mx.sender.test; arc=none\r\n"+mail, "arcsign", "mx.sender.test")
			signed = k.sign(t, signed, "dkimsign")
			began := time.Now()
			c := d.Proxied(t, listed)
			c.Expect(220)
			require.Less(t, time.Since(began), 2*time.Second, "a greeting does not wait for the DNS")
			c.Mail("ann@sender.test", "x@sink.test", strings.TrimSuffix(signed, "\r\n"), 250)
			for _, m := range mtatest.Stored(t, d.Stopped(t), "inbox", 1) {
				parse(t, m.Checks).requireAll(t, `{"spf":"temperror"}`, `{"dkim":"temperror","domain":"sender.test"}`,
					`{"dmarc":"temperror"}`,
					`{"arc":"temperror"}`, `{"dnsbl":"temperror"}`)
			}
		})
	}
}

// TestNoLookupStorm has mails that ask for as many look-ups as they can.
func TestNoLookupStorm(t *testing.T) {
	t.Parallel()
	var questions atomic.Int64
	server := testserver.DNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		n := questions.Add(1)
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeTXT {
			text := "v=spf1"
			for i := range 5 {
				text += fmt.Sprintf(" include:n%d-%d.sender.test", n, i)
			}
			m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET,
				Ttl: 60}, Txt: []string{text + " -all"}}}
		}
		_ = w.WriteMsg(m)
	})
	d := mtatest.Inside(t, mtatest.Kept.With(clients).With(mtatest.Settings{"dns-servers": server,
		"smtp-check": "spf,dkim,dmarc,arc"}))
	var mail strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&mail,
			"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=d%d.sender.test; s=s%d; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n", i, i)
	}
	submit(t, d, good, "ann@sender.test", "x@sink.test",
		mail.String()+letter("ann@a.b.c.d.e.f.g.h.i.sender.test", "storm", "Hello."), 250)
	require.LessOrEqual(t, questions.Load(), int64(100))
	for _, m := range mtatest.Stored(t, d.Stopped(t), "inbox", 1) {
		require.Less(t, len(m.Checks), 20, "a mail's results stay small: %s", m.Checks)
	}
}

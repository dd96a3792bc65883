package e2e

import (
	"crypto/tls"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestMailArrivesUnchanged sends what mail servers like to spoil: dots, long lines, blank ends, 8-bit text, a header
// without a text. But for one Received field at its top, each arrives as it was.
func TestMailArrivesUnchanged(t *testing.T) {
	t.Parallel()
	mails := []string{
		"Subject: dots\r\n\r\n.\r\n..\r\n.dot\r\n. \r\nend\r\n",
		"Subject: blanks\r\n\r\nblank at the end \t\r\n\r\n\r\n",
		"Subject: long\r\n\r\n" + strings.Repeat("x", 900) + "\r\n",
		"Subject: eight bits\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nçà et là\r\n",
		"Subject: no text\r\n",
		"Subject: empty text\r\n\r\n",
		"No header at all\r\n",
		"Subject: folded\r\n and\r\n\tfolded\r\nBcc: kept@client.test\r\nReceived: from elsewhere\r\n\r\nText\r\n",
	}
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings())
	for i, mail := range mails {
		c := d.Talk(t)
		begin(c)
		stuffed := strings.ReplaceAll("\r\n"+mail, "\r\n.", "\r\n..")[2:]
		c.Raw(stuffed + ".\r\n")
		c.Expect(250)
		c.Conn.Close()
		got := string(k.Await(t, i+1)[i].Data)
		trace, rest := cutField(got)
		require.True(t, strings.HasPrefix(trace, "Received: from client.test"), "trace: %q", trace)
		require.Contains(t, trace, "by mtad.test")
		require.Contains(t, trace, "with ESMTP")
		if strings.HasPrefix(mail, "No header") {
			rest = strings.TrimPrefix(rest, "\r\n") // which then has to end somewhere
		}
		require.Equal(t, mail, rest)
	}
	d.Terminate(t)
}

// cutField splits a mail behind its first header field.
func cutField(mail string) (field, rest string) {
	for rest = mail; rest != ""; {
		line, after, _ := strings.Cut(rest, "\r\n")
		if field != "" && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
			return field, rest
		}
		field, rest = field+line+"\r\n", after
	}
	return field, rest
}

// TestRefusedAtTheDoor tries what mtad does not take, and what it says then.
func TestRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	k := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"smtp-maxsize": "100kB"}))

	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	require.Contains(t, c.Command("MAIL FROM:<a@client.test> SIZE=1000000", 552), "5.3.4")
	c.Command("MAIL FROM:<a@client.test>", 250)
	require.Contains(t, c.Command("RCPT TO:<no address>", 501), "5.")
	c.Command("RCPT TO:<b@sink.test>", 250)
	c.Command("DATA", 354)
	c.Raw("Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 3000) + ".\r\n")
	require.Contains(t, c.Expect(552), "5.3.4")
	c.Command("MAIL FROM:<a@client.test>", 250) // the session goes on
	c.Command("RCPT TO:<b@sink.test>", 250)
	c.Command("DATA", 354)
	c.Raw(strings.Repeat("Received: from here to there\r\n", 101) + "Subject: round and round\r\n\r\nText\r\n.\r\n")
	require.Contains(t, c.Expect(554), "5.4.6")
	c.Command("QUIT", 221)
	d.Terminate(t)
	mtatest.RequireEmpty(t, d.Queue)
	require.Zero(t, k.Stats().Messages)
}

// TestTooManyClients has one more client than may connect; with smtp-busy reject it is told to come later.
func TestTooManyClients(t *testing.T) {
	t.Parallel()
	k := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"smtp-busy": "reject", "smtp-connections-in": "5",
		"smtp-connections-client": "5"}))
	first := d.Talk(t)
	for range 4 {
		d.Talk(t)
	}
	require.Contains(t, mtatest.Dial(t, d.Addr).Expect(421), "4.")
	first.Command("QUIT", 221)
	mtatest.Eventually(t, "a place is free again", func() bool {
		c := mtatest.Dial(t, d.Addr)
		code, _, err := c.Read()
		c.Conn.Close()
		return err == nil && code == 220
	})
}

// TestConnectionLimits limits how many connections a domain gets, and how many mails go over each.
func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	var most atomic.Int64
	receiver := &smtptest.Sink{Latency: 2 * time.Millisecond}
	receiver.Received = func(*smtptest.Received) {
		if open := receiver.Stats().Open; open > most.Load() {
			most.Store(open)
		}
	}
	k := mtatest.NewSink(t, receiver)
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"domain-maxconnections": "3",
		"connection-maxmessages": "10"}))
	d.Send(t, &smtptest.Source{Messages: 200, Size: 1 << 10})
	mtatest.Eventually(t, "all mails arrive", func() bool { return k.Stats().Messages == 200 })
	require.GreaterOrEqual(t, k.Stats().Connections, int64(20), "ten mails over each connection at most")
	require.LessOrEqual(t, most.Load(), int64(3)+1, "open connections, give or take one that is just closing")
	d.Terminate(t)
}

// TestClearTextAfterBrokenTLS meets a target whose STARTTLS does not work: opportunistic mail goes in the clear.
func TestClearTextAfterBrokenTLS(t *testing.T) {
	t.Parallel()
	broken := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}
	k := mtatest.NewKeeper(t, &smtptest.Sink{TLS: broken})
	d := mtatest.Inside(t, k.Settings())
	d.Submit(t, "a@client.test", "b@sink.test", "Subject: try\r\n\r\nText")
	require.False(t, k.Await(t, 1)[0].TLS)
	d.Terminate(t)
}

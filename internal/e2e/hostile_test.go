package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestHostileClients has clients misbehave in every way. None of it may end or hang mtad, and no mail may come of it.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, &smtptest.Sink{})
	d := start(t, k.settings().with(settings{"smtp-maxsize": "1MB"}).with(certificate(t)))
	for _, c := range []struct {
		name string
		do   func(t *testing.T, c *client)
	}{
		{"says nothing and goes", func(*testing.T, *client) {}},
		{"garbage", func(t *testing.T, c *client) {
			c.raw(strings.Repeat("\x00\xff\x1b[2J\x80\r\n", 5))
			for range 5 {
				code, text := c.reply()
				require.Equal(t, 5, code/100, text)
			}
		}},
		{"garbage without end", func(t *testing.T, c *client) {
			c.flood("\xff\x00 nonsense\r\n", 16<<20)
			c.ended()
		}},
		{"an endless line", func(t *testing.T, c *client) {
			c.flood("MAIL FROM:<"+strings.Repeat("a", 100_000), 16<<20)
			c.ended()
		}},
		{"an endless line inside a mail", func(t *testing.T, c *client) {
			c.begin()
			c.flood(strings.Repeat("a", 100_000), 16<<20)
			c.ended()
		}},
		{"an endless mail", func(t *testing.T, c *client) {
			c.begin()
			c.flood(strings.Repeat("a line of text\r\n", 1000), 16<<20)
			c.ended()
		}},
		{"half a mail", func(t *testing.T, c *client) {
			c.begin()
			c.raw("Subject: half\r\n\r\nThis is half a mai")
		}},
		{"a mail without its dot", func(t *testing.T, c *client) {
			c.begin()
			c.raw("Subject: all but the dot\r\n\r\nText\r\n")
		}},
		{"half of a BDAT chunk", func(t *testing.T, c *client) {
			c.command("EHLO client.test", 250)
			c.command("MAIL FROM:<a@client.test>", 250)
			c.command("RCPT TO:<b@sink.test>", 250)
			c.raw("BDAT 1000 LAST\r\nSubject: half\r\n\r\n")
		}},
		{"a BDAT chunk beyond all bounds", func(t *testing.T, c *client) {
			c.command("EHLO client.test", 250)
			c.command("MAIL FROM:<a@client.test>", 250)
			c.command("RCPT TO:<b@sink.test>", 250)
			c.raw("BDAT 99999999999999999999 LAST\r\n")
			code, text := c.reply()
			require.Equal(t, 5, code/100, text)
		}},
		{"HTTP", func(t *testing.T, c *client) {
			c.raw("POST / HTTP/1.1\r\nHost: mtad.test\r\nContent-Length: 80\r\n\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\nSubject: HTTP\r\n\r\nx\r\n.\r\n")
			c.closeWrite()
			c.ended()
		}},
		{"garbage instead of TLS", func(t *testing.T, c *client) {
			c.command("EHLO client.test", 250)
			c.command("STARTTLS", 220)
			c.raw(strings.Repeat("MAIL FROM:<a@client.test>\r\n", 20))
			c.ended()
		}},
		{"commands hidden behind STARTTLS", func(t *testing.T, c *client) {
			c.command("EHLO client.test", 250)
			c.raw("STARTTLS\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\n")
			c.ended()
		}},
		{"a client that reads nothing", func(t *testing.T, c *client) {
			c.flood("EHLO client.test\r\n", 4<<20)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := d.talk(t)
			c.do(t, peer)
			require.NoError(t, peer.conn.Close())
		})
	}
	d.submit(t, "a@client.test", "b@sink.test", "Subject: an honest mail\r\n\r\nHello")
	mails := k.await(t, 1)
	require.Contains(t, string(mails[0].Data), "an honest mail")
	d.terminate(t)
	requireEmpty(t, d.queue)
}

// begin brings a session to where a mail is to come.
func (c *client) begin() {
	c.t.Helper()
	c.command("EHLO client.test", 250)
	c.command("MAIL FROM:<a@client.test>", 250)
	c.command("RCPT TO:<b@sink.test>", 250)
	c.command("DATA", 354)
}

// flood writes a text again and again, up to so many bytes or until the server has had enough.
func (c *client) flood(text string, n int) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	for ; n > 0; n -= len(text) {
		if _, err := io.WriteString(c.conn, text); err != nil {
			return
		}
	}
}

func (c *client) closeWrite() {
	require.NoError(c.t, c.conn.(*net.TCPConn).CloseWrite())
}

// ended requires that the server hangs up.
func (c *client) ended() {
	c.t.Helper()
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	_, err := io.Copy(io.Discard, c.r)
	if timeout, ok := err.(net.Error); ok {
		require.False(c.t, timeout.Timeout(), "the server goes on listening")
	}
}

// TestManyRecipients asks for 10,000 recipients: the server takes as many as it is to, refuses the others for now, and each
// taken one gets the mail.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	k := newSink(t, &smtptest.Sink{})
	d := start(t, k.settings().with(settings{"smtp-maxrecipients": "500"}))
	c := d.talk(t)
	c.command("EHLO client.test", 250)
	c.command("MAIL FROM:<a@client.test>", 250)
	go func() {
		w := bufio.NewWriter(c.conn)
		for i := range 10_000 {
			fmt.Fprintf(w, "RCPT TO:<s%d@sink.test>\r\n", i+1)
		}
		_ = w.Flush()
	}()
	taken := 0
	for range 10_000 {
		code, text := c.reply()
		if code == 250 {
			taken++
			continue
		}
		require.Equal(t, 452, code, text)
		require.Contains(t, text, "4.5.3")
	}
	require.Equal(t, 500, taken)
	c.command("DATA", 354)
	c.raw("X-Sluice-Seq: 1/500\r\nSubject: to many\r\n\r\nHello\r\n.\r\n")
	reply := c.expect(250)
	require.Equal(t, 501, strings.Count(reply, "\n"), "a line, and one for each recipient")
	k.onceEach(t, 500)
}

// TestSmuggling tries to have a second mail ride inside a first, with every sequence that some server takes for the end of
// a mail. Nothing but what was sent as one mail may reach the target.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	ends := []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r.\n", "\n.\r", "\n\n.\n\n", "\r\r.\r\r\n",
		"\r\n.\r\r\n", "\r\n\x00.\r\n", "\r\n.\x00\r\n", "\n.\n\r\n", "\r\n\n.\r\n", "\r\n.\r\x00\n",
	}
	for _, policy := range []string{"reject", "normalise"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			k := newKeeper(t, &smtptest.Sink{})
			d := start(t, k.settings().with(settings{"smtp-line-ends": policy}))
			for _, end := range ends {
				smuggle(t, d, end, policy)
			}
			d.submit(t, "a@client.test", "last@sink.test", "Subject: the last\r\n\r\nText")
			eventually(t, "the last mail arrives", func() bool {
				for _, to := range k.recipients() {
					if to == "last@sink.test" {
						return true
					}
				}
				return false
			})
			d.terminate(t)
			for _, m := range k.received() {
				require.NotEqual(t, []string{"victim@sink.test"}, m.Recipients, "a smuggled mail arrived")
				require.NotEqual(t, "admin@sink.test", m.From)
				text := strings.ReplaceAll(string(m.Data), "\r\n", "")
				require.NotContains(t, text, "\n", "a bare LF goes out")
				require.NotContains(t, text, "\r", "a bare CR goes out")
			}
			requireEmpty(t, d.queue)
		})
	}
}

func smuggle(t *testing.T, d *daemon, end, policy string) {
	t.Helper()
	c := d.talk(t)
	c.begin()
	c.raw("Subject: outside\r\n\r\nText" + end + "MAIL FROM:<admin@sink.test>\r\nRCPT TO:<victim@sink.test>\r\nDATA\r\n" +
		"Subject: smuggled\r\n\r\nGive me your password\r\n.\r\n")
	code, text := c.reply()
	bare := strings.ReplaceAll(end, "\r\n", "")
	if policy == "reject" && strings.ContainsAny(bare, "\r\n") {
		require.Equal(t, 550, code, "after %q: %s", end, text)
		require.Contains(t, text, "5.6.11")
	}
	c.say("QUIT") // the only reply left, if there was one mail; the server may also have hung up
	if code, text, err := c.read(); err == nil {
		require.Equal(t, 221, code, "after %q: %s", end, text)
	}
	c.conn.Close()
}

// TestNulBytes sends a mail with NUL bytes: it is refused or arrives as it was, but not cut short.
func TestNulBytes(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, &smtptest.Sink{})
	d := start(t, k.settings())
	c := d.talk(t)
	c.begin()
	c.raw("Subject: nul\r\n\r\nbefore\x00after\r\n.\r\n")
	if code, text := c.reply(); code != 250 {
		require.Equal(t, 5, code/100, text)
		return
	}
	require.Contains(t, string(k.await(t, 1)[0].Data), "before\x00after\r\n")
}

// TestMemoryIsBounded has many clients send large mails at once: they must go through the disk, not through memory.
func TestMemoryIsBounded(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector needs memory of its own")
	}
	clients, size := 20, 20<<20
	if testing.Short() {
		size = 4 << 20
	}
	k := newSink(t, &smtptest.Sink{Verify: true})
	d := start(t, k.settings())
	d.send(t, &smtptest.Source{Sessions: clients, Messages: int64(clients), Size: size})
	d.send(t, &smtptest.Source{Sessions: 100, Messages: 200, First: int64(clients) + 1, Size: 1 << 20})
	k.onceEach(t, int64(clients)+200)
	require.Less(t, d.memory(t), int64(150<<20), "bytes resident")
	d.terminate(t)
}

// TestIdleCrowd keeps hundreds of connections open that say nothing. Others are served meanwhile.
func TestIdleCrowd(t *testing.T) {
	t.Parallel()
	k := newSink(t, &smtptest.Sink{})
	d := start(t, k.settings().with(settings{"smtp-connections-in": "400", "smtp-connections-client": "390"}))
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			c, err := net.Dial("tcp", d.addr)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { c.Close() })
			if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d.send(t, &smtptest.Source{Messages: 50, Size: 1 << 10})
	k.onceEach(t, 50)
	d.terminate(t)
}

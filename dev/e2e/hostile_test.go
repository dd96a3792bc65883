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

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestHostileClients has clients misbehave in every way. None of it may end or hang mtad, and no mail may come of it.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"smtp-maxsize": "1MB"}).With(mtatest.Certificate(t)))
	for _, c := range []struct {
		name string
		do   func(t *testing.T, c *mtatest.Client)
	}{
		{"says nothing and goes", func(*testing.T, *mtatest.Client) {}},
		{"garbage", func(t *testing.T, c *mtatest.Client) {
			c.Raw(strings.Repeat("\x00\xff\x1b[2J\x80\r\n", 5))
			for range 5 {
				code, text := c.Reply()
				require.Equal(t, 5, code/100, text)
			}
		}},
		{"garbage without end", func(t *testing.T, c *mtatest.Client) {
			flood(c, "\xff\x00 nonsense\r\n", 16<<20)
			ended(c)
		}},
		{"an endless line", func(t *testing.T, c *mtatest.Client) {
			flood(c, "MAIL FROM:<"+strings.Repeat("a", 100_000), 16<<20)
			ended(c)
		}},
		{"an endless line inside a mail", func(t *testing.T, c *mtatest.Client) {
			begin(c)
			flood(c, strings.Repeat("a", 100_000), 16<<20)
			ended(c)
		}},
		{"an endless mail", func(t *testing.T, c *mtatest.Client) {
			begin(c)
			flood(c, strings.Repeat("a line of text\r\n", 1000), 16<<20)
			ended(c)
		}},
		{"half a mail", func(t *testing.T, c *mtatest.Client) {
			begin(c)
			c.Raw("Subject: half\r\n\r\nThis is half a mai")
		}},
		{"a mail without its dot", func(t *testing.T, c *mtatest.Client) {
			begin(c)
			c.Raw("Subject: all but the dot\r\n\r\nText\r\n")
		}},
		{"half of a BDAT chunk", func(t *testing.T, c *mtatest.Client) {
			c.Command("EHLO client.test", 250)
			c.Command("MAIL FROM:<a@client.test>", 250)
			c.Command("RCPT TO:<b@sink.test>", 250)
			c.Raw("BDAT 1000 LAST\r\nSubject: half\r\n\r\n")
		}},
		{"a BDAT chunk beyond all bounds", func(t *testing.T, c *mtatest.Client) {
			c.Command("EHLO client.test", 250)
			c.Command("MAIL FROM:<a@client.test>", 250)
			c.Command("RCPT TO:<b@sink.test>", 250)
			c.Raw("BDAT 99999999999999999999 LAST\r\n")
			code, text := c.Reply()
			require.Equal(t, 5, code/100, text)
		}},
		{"HTTP", func(t *testing.T, c *mtatest.Client) {
			c.Raw("POST / HTTP/1.1\r\nHost: mtad.test\r\nContent-Length: 80\r\n\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\nSubject: HTTP\r\n\r\nx\r\n.\r\n")
			closeWrite(c)
			ended(c)
		}},
		{"garbage instead of TLS", func(t *testing.T, c *mtatest.Client) {
			c.Command("EHLO client.test", 250)
			c.Command("STARTTLS", 220)
			c.Raw(strings.Repeat("MAIL FROM:<a@client.test>\r\n", 20))
			ended(c)
		}},
		{"commands hidden behind STARTTLS", func(t *testing.T, c *mtatest.Client) {
			c.Command("EHLO client.test", 250)
			c.Raw("STARTTLS\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\n")
			ended(c)
		}},
		{"a client that reads nothing", func(t *testing.T, c *mtatest.Client) {
			flood(c, "EHLO client.test\r\n", 4<<20)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := d.Talk(t)
			c.do(t, peer)
			require.NoError(t, peer.Conn.Close())
		})
	}
	d.Submit(t, "a@client.test", "b@sink.test", "Subject: an honest mail\r\n\r\nHello")
	mails := k.Await(t, 1)
	require.Contains(t, string(mails[0].Data), "an honest mail")
	d.Terminate(t)
	mtatest.RequireEmpty(t, d.Queue)
}

// begin brings a session to where a mail is to come.
func begin(c *mtatest.Client) {
	c.T.Helper()
	c.Command("EHLO client.test", 250)
	c.Command("MAIL FROM:<a@client.test>", 250)
	c.Command("RCPT TO:<b@sink.test>", 250)
	c.Command("DATA", 354)
}

// flood writes a text again and again, up to so many bytes or until the server has had enough.
func flood(c *mtatest.Client, text string, n int) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	for ; n > 0; n -= len(text) {
		if _, err := io.WriteString(c.Conn, text); err != nil {
			return
		}
	}
}

func closeWrite(c *mtatest.Client) {
	require.NoError(c.T, c.Conn.(*net.TCPConn).CloseWrite())
}

// ended requires that the server hangs up.
func ended(c *mtatest.Client) {
	c.T.Helper()
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	_, err := io.Copy(io.Discard, c.R)
	if timeout, ok := err.(net.Error); ok {
		require.False(c.T, timeout.Timeout(), "the server goes on listening")
	}
}

// TestManyRecipients asks for 10,000 recipients: the server takes as many as it is to, refuses the others for now, and
// each taken one gets the mail.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	k := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"smtp-maxrecipients": "500"}))
	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	c.Command("MAIL FROM:<a@client.test>", 250)
	go func() {
		w := bufio.NewWriter(c.Conn)
		for i := range 10_000 {
			fmt.Fprintf(w, "RCPT TO:<s%d@sink.test>\r\n", i+1)
		}
		_ = w.Flush()
	}()
	taken := 0
	for range 10_000 {
		code, text := c.Reply()
		if code == 250 {
			taken++
			continue
		}
		require.Equal(t, 452, code, text)
		require.Contains(t, text, "4.5.3")
	}
	require.Equal(t, 500, taken)
	c.Command("DATA", 354)
	c.Raw("X-Sluice-Seq: 1/500\r\nSubject: to many\r\n\r\nHello\r\n.\r\n")
	reply := c.Expect(250)
	require.Equal(t, 501, strings.Count(reply, "\n"), "a line, and one for each recipient")
	k.OnceEach(t, 500)
}

// TestSmuggling tries to have a second mail ride inside a first, with every sequence that some server takes for the end
// of a mail. Nothing but what was sent as one mail may reach the target.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	ends := []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r.\n", "\n.\r", "\n\n.\n\n", "\r\r.\r\r\n",
		"\r\n.\r\r\n", "\r\n\x00.\r\n", "\r\n.\x00\r\n", "\n.\n\r\n", "\r\n\n.\r\n", "\r\n.\r\x00\n",
	}
	for _, policy := range []string{"reject", "normalise"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			k := mtatest.NewKeeper(t, &smtptest.Sink{})
			d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"smtp-line-ends": policy}))
			for _, end := range ends {
				smuggle(t, d, end, policy)
			}
			d.Submit(t, "a@client.test", "last@sink.test", "Subject: the last\r\n\r\nText")
			mtatest.Eventually(t, "the last mail arrives", func() bool {
				for _, to := range k.Recipients() {
					if to == "last@sink.test" {
						return true
					}
				}
				return false
			})
			d.Terminate(t)
			for _, m := range k.Received() {
				require.NotEqual(t, []string{"victim@sink.test"}, m.Recipients, "a smuggled mail arrived")
				require.NotEqual(t, "admin@sink.test", m.From)
				text := strings.ReplaceAll(string(m.Data), "\r\n", "")
				require.NotContains(t, text, "\n", "a bare LF goes out")
				require.NotContains(t, text, "\r", "a bare CR goes out")
			}
			mtatest.RequireEmpty(t, d.Queue)
		})
	}
}

func smuggle(t *testing.T, d *mtatest.Daemon, end, policy string) {
	t.Helper()
	c := d.Talk(t)
	begin(c)
	c.Raw("Subject: outside\r\n\r\nText" + end + "MAIL FROM:<admin@sink.test>\r\nRCPT TO:<victim@sink.test>\r\nDATA\r\n" +
		"Subject: smuggled\r\n\r\nGive me your password\r\n.\r\n")
	code, text := c.Reply()
	bare := strings.ReplaceAll(end, "\r\n", "")
	if policy == "reject" && strings.ContainsAny(bare, "\r\n") {
		require.Equal(t, 550, code, "after %q: %s", end, text)
		require.Contains(t, text, "5.6.11")
	}
	c.Say("QUIT") // the only reply left, if there was one mail; the server may also have hung up
	if code, text, err := c.Read(); err == nil {
		require.Equal(t, 221, code, "after %q: %s", end, text)
	}
	c.Conn.Close()
}

// TestNulBytes refuses a mail with NUL bytes, or leaves them out where line ends are normalised.
func TestNulBytes(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	c := mtatest.Inside(t, k.Settings()).Talk(t)
	begin(c)
	c.Raw("Subject: nul\r\n\r\nbefore\x00after\r\n.\r\n")
	require.Contains(t, c.Expect(550), "5.6.11")
	c = mtatest.Inside(t, k.Settings().With(mtatest.Settings{"smtp-line-ends": "normalise"})).Talk(t)
	begin(c)
	c.Raw("Subject: nul\r\n\r\nbefore\x00after\r\n.\r\n")
	c.Expect(250)
	require.Contains(t, string(k.Await(t, 1)[0].Data), "beforeafter\r\n")
}

// TestMemoryIsBounded has many clients send large mails at once: they must go through the disk, not through memory.
func TestMemoryIsBounded(t *testing.T) {
	if mtatest.RaceDetector {
		t.Skip("the race detector needs memory of its own")
	}
	clients, size := 20, 20<<20
	if testing.Short() {
		size = 4 << 20
	}
	k := mtatest.NewSink(t, &smtptest.Sink{Verify: true})
	d := mtatest.Start(t, k.Settings())
	d.Send(t, &smtptest.Source{Sessions: clients, Messages: int64(clients), Size: size})
	d.Send(t, &smtptest.Source{Sessions: 100, Messages: 200, First: int64(clients) + 1, Size: 1 << 20})
	k.OnceEach(t, int64(clients)+200)
	require.Less(t, d.Memory(t), int64(150<<20), "bytes resident")
	d.Terminate(t)
}

// TestIdleCrowd keeps hundreds of connections open that say nothing. Others are served meanwhile.
func TestIdleCrowd(t *testing.T) {
	t.Parallel()
	k := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"smtp-connections-in": "400",
		"smtp-connections-client": "390"}))
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			c, err := net.Dial("tcp", d.Addr)
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
	d.Send(t, &smtptest.Source{Messages: 50, Size: 1 << 10})
	k.OnceEach(t, 50)
	d.Terminate(t)
}

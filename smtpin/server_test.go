package smtpin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/internal/semaphore"
	"github.com/sluicemail/sluice/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const envelope = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"

func TestServeWithoutBackend(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorContains(t, new(Server).Serve(l), "Backend")
	require.ErrorContains(t, new(Server).ListenAndServe(), "no listeners")
}

func TestListenAndServe(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	s := &Server{Backend: &recorder{}, Listeners: []*Listener{{Addr: "127.0.0.1:0"}, {Addr: taken.Addr().String()}}}
	require.ErrorIs(t, s.ListenAndServe(), syscall.EADDRINUSE)

	socket := t.TempDir() + "/smtp"
	s = &Server{Backend: &recorder{}, Hostname: "mx.test",
		Listeners: []*Listener{{Addr: "127.0.0.1:0"}, {Addr: socket, LMTP: true}}}
	done := make(chan error, 1)
	go func() { done <- s.ListenAndServe() }()
	var nc net.Conn
	require.Eventually(t, func() bool { nc, err = net.Dial("unix", socket); return err == nil }, 5*time.Second,
		time.Millisecond)
	c := &client{t: t, Conn: nc}
	c.expect("", "220")
	c.expect("LHLO x\r\n", "250")
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-done, ErrServerClosed)
	nc.Close()
}

func TestRange(t *testing.T) {
	loopback, other := netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")
	v4, doc := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.7")
	nobody := func(netip.Addr) bool { return false }
	cases := []struct {
		name     string
		l        Listener
		loop, in bool
	}{
		{"zero", Listener{}, true, false},
		{"prefix", Listener{Prefixes: []netip.Prefix{other}}, false, true},
		{"both prefixes", Listener{Prefixes: []netip.Prefix{other, loopback}}, true, true},
		{"nobody", Listener{Allow: nobody}, false, false},
		{"prefix or func", Listener{Prefixes: []netip.Prefix{other}, Allow: func(a netip.Addr) bool { return a == v4 }}, true,
			true},
	}
	for _, c := range cases {
		require.Equal(t, c.loop, c.l.allows(v4), c.name)
		require.Equal(t, c.in, c.l.allows(doc), c.name)
		require.True(t, c.l.allows(netip.Addr{}), c.name)
	}

	m := &events{}
	c := dial(t, serve(t, &Server{Backend: &recorder{}, Monitor: m}, &Listener{Allow: nobody}))
	require.Equal(t, "554 5.7.1 You may not connect from here", c.line())
	require.Equal(t, "", c.line())
	m.mu.Lock()
	defer m.mu.Unlock()
	require.Equal(t, []monitor.Kind{monitor.ClientRefused}, m.kinds)
}

func TestTransactionOfEvents(t *testing.T) {
	m := &events{}
	b := &recorder{auth: true, refuse: map[string]error{"rcpt bad@d.test": errors.New("no")}}
	s := &Server{Backend: b, Monitor: m}
	c := dial(t, serve(t, s, nil))
	c.expect("", "220")
	c.expect("EHLO client.test\r\n", "250")
	c.expect("AUTH PLAIN AHVzZXIAd3Jvbmc=\r\n", "535")
	c.expect("AUTH PLAIN\r\n", "334")
	c.expect("AHVzZXIAc2VjcmV0\r\n", "235")
	c.expect("MAIL FROM:<a@b.test>\r\nRCPT TO:<bad@d.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n", "250", "451", "250", "354")
	c.expect("private words\r\n.\r\nQUIT\r\n", "250", "221")
	require.NoError(t, s.Shutdown(context.Background()))
	require.Equal(t, []monitor.Kind{monitor.ClientConnected, monitor.CommandRefused, monitor.CommandRefused,
		monitor.ClientDisconnected}, m.kinds)
	require.Equal(t, []int{0, 535, 451, 0}, m.codes)

	script := m.text()
	require.NotContains(t, script, "AHVzZXI")
	require.NotContains(t, script, "private words")
	for _, want := range []string{
		"> 220 mx.test ESMTP ready\r\n< EHLO client.test\r\n> 250-mx.test", "< AUTH PLAIN ********\r\n> 535",
		"< AUTH PLAIN\r\n> 334 \r\n< ********\r\n> 235", "< DATA\r\n> 250", "> 354", "< (a mail of 15 bytes)\r\n",
		"< QUIT\r\n> 250", "> 221",
	} {
		require.Contains(t, script, want)
	}
}

func TestPanicLeavesOthersAlone(t *testing.T) {
	var log strings.Builder
	b := &recorder{}
	s := &Server{Backend: b, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	address := serve(t, s, nil)
	other := dial(t, address)
	other.expect("", "220")
	other.expect("EHLO a\r\n", "250")
	b.panics = "rcpt"
	c := dial(t, address)
	c.expect("", "220")
	c.expect("EHLO a\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n", "250", "250", "421")
	require.Equal(t, "", c.line())
	b.panics = ""
	other.expect(envelope+"DATA\r\n", "250", "250", "354")
	other.expect(".\r\n", "250")
	require.NoError(t, s.Close())
	require.Contains(t, log.String(), "on purpose at rcpt")
	require.Contains(t, log.String(), "goroutine")
	require.Equal(t, 2, b.logouts)
}

func TestTenThousandRecipients(t *testing.T) {
	b := &recorder{}
	s := &Server{Backend: b, MaxRecipients: 9000}
	c := dial(t, serve(t, s, nil))
	c.expect("", "220")
	c.expect("EHLO a\r\nMAIL FROM:<a@b.test>\r\n", "250", "250")
	go io.WriteString(c.Conn, strings.Repeat("RCPT TO:<someone@d.test>\r\n", 10_000)+"DATA\r\n")
	for i := range 10_000 {
		code, _ := c.reply()
		if i < 9000 {
			require.Equal(t, "250", code)
		} else {
			require.Equal(t, "452", code)
		}
	}
	c.expect("", "354")
	c.expect(".\r\n", "250")
	require.Len(t, b.got()[0].to, 9000)
}

func TestEndlessLine(t *testing.T) {
	c := dial(t, serve(t, &Server{Backend: &recorder{}}, nil))
	c.expect("", "220")
	go func() {
		garbage := []byte(strings.Repeat("garbage ", 1000))
		for range 1000 {
			if _, err := c.Write(garbage); err != nil {
				return
			}
		}
	}()
	c.expect("", "500")
	p := make([]byte, 100)
	n, err := c.Read(p)
	require.Error(t, err, "closed after one reply: %q", p[:n])
}

// countingConn counts the writes of the server.
type countingConn struct {
	net.Conn
	writes *atomic.Int32
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestOneWriteForAFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		serveOn(t, &Server{Backend: &recorder{}}, nil, p)
		near, far := net.Pipe()
		var writes atomic.Int32
		p.conns <- countingConn{far, &writes}
		c := &client{t: t, Conn: near}
		c.expect("", "220")
		require.EqualValues(t, 1, writes.Swap(0))
		c.expect("EHLO a\r\n", "250")
		require.EqualValues(t, 1, writes.Swap(0), "EHLO")
		c.expect("MAIL FROM:<a@b.test>\r\n"+strings.Repeat("RCPT TO:<c@d.test>\r\n", 20)+"DATA\r\n",
			append(repeat("250", 21), "354")...)
		require.EqualValues(t, 1, writes.Swap(0), "envelope")
		c.expect("text\r\n.\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n", "250", "250", "250", "354")
		require.EqualValues(t, 1, writes.Swap(0), "mail and envelope")
		near.Close()
	})
}

func repeat(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

func TestTimeouts(t *testing.T) {
	cases := []struct {
		name   string
		before string // what the client sends, with its replies
		codes  []string
		drip   string // what it sends then, an octet every 50 s
		want   time.Duration
	}{
		{"nothing", "", nil, "", time.Minute},
		{"a command, slowly, without end", "", nil, strings.Repeat("x", 1000), 10 * time.Minute},
		{"NOOPs for ever", "", nil, strings.Repeat("NOOP\r\n", 100), 10 * time.Minute},
		{"within a mail", "EHLO a\r\n" + envelope + "DATA\r\n", []string{"250", "250", "250", "354"}, "", time.Minute},
		{"a mail, slowly", "EHLO a\r\n" + envelope + "DATA\r\n", []string{"250", "250", "250", "354"},
			strings.Repeat("NOOP\r\n", 100), 10 * time.Minute},
		{"within a chunk", "EHLO a\r\n" + envelope + "BDAT 1000 LAST\r\n", []string{"250", "250", "250"}, "MAIL FROM:<>",
			11 * time.Minute},
		{"between chunks", "EHLO a\r\n" + envelope + "BDAT 2\r\n\r\n", []string{"250", "250", "250", "250"}, "", time.Minute},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				b := &recorder{auth: true}
				serveOn(t, &Server{Backend: b, Timeout: time.Minute, TransactionTimeout: 10 * time.Minute}, nil, p)
				c := &client{t: t, Conn: p.dial()}
				dripped := make(chan struct{})
				defer func() { c.Close(); <-dripped }()
				begin := time.Now()
				c.expect("", "220")
				c.expect(tc.before, tc.codes...)
				go func() {
					defer close(dripped)
					for i := range tc.drip {
						time.Sleep(50 * time.Second)
						if _, err := c.Write([]byte(tc.drip[i : i+1])); err != nil {
							return
						}
					}
				}()
				var last string
				for line := c.line(); line != ""; line = c.line() {
					last = line
				}
				require.Equal(t, "421 4.4.2 Time-out, closing the connection", last)
				require.InDelta(t, min(tc.want, 10*time.Minute).Seconds(), time.Since(begin).Seconds(), 2)
				require.Empty(t, b.got())
			})
		})
	}
}

func TestSilentTLSClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		serveOn(t, &Server{Backend: &recorder{}, Timeout: time.Minute, TLS: testTLS(t)}, &Listener{ImplicitTLS: true}, p)
		c := p.dial()
		defer c.Close()
		begin := time.Now()
		_, err := c.Read(make([]byte, 1))
		require.Error(t, err)
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

// A client that does not read its replies is not waited for for ever.
func TestClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		s := &Server{Backend: &recorder{}, Timeout: time.Minute}
		serveOn(t, s, nil, p)
		nc := p.dial()
		defer nc.Close()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Empty(t, s.sessions)
	})
}

func TestShutdownDrains(t *testing.T) {
	b := &recorder{}
	s := &Server{Backend: b}
	address := serve(t, s, nil)
	idle, busy := dial(t, address), dial(t, address)
	for _, c := range []*client{idle, busy} {
		c.expect("", "220")
		c.expect("EHLO a\r\n", "250")
	}
	busy.expect(envelope+"DATA\r\nhalf", "250", "250", "354")
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	require.Equal(t, "421 4.3.2 Server is shutting down", idle.line())
	require.Equal(t, "", idle.line())
	_, err := net.Dial("tcp", address)
	require.Error(t, err, "no new connections")
	busy.send(" a mail\r\n.\r\n")
	busy.expect("", "250", "421")
	require.Equal(t, "", busy.line())
	require.NoError(t, <-done)
	require.Equal(t, "half a mail\r\n", b.got()[0].body)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, s.Serve(l), ErrServerClosed)
}

func TestShutdownGivesUp(t *testing.T) {
	s := &Server{Backend: &recorder{}}
	c := dial(t, serve(t, s, nil))
	c.expect("", "220")
	c.expect("EHLO a\r\n"+envelope+"DATA\r\n", "250", "250", "250", "354")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.Canceled)
	c.expect(".\r\n", "250", "421")
}

func TestSlots(t *testing.T) {
	s := &Server{Backend: &recorder{}, Slots: make(semaphore.Semaphore, 1)}
	address := serve(t, s, nil)
	first := dial(t, address)
	first.expect("", "220")
	second := dial(t, address) // waits
	second.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := second.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	second.SetReadDeadline(time.Now().Add(10 * time.Second))
	first.expect("QUIT\r\n", "221")
	second.expect("", "220")

	third := dial(t, address) // is waiting when the server closes
	require.NoError(t, s.Close())
	_, err = io.ReadAll(third)
	if err != nil {
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
}

func TestBusyReject(t *testing.T) {
	address := serve(t, &Server{Backend: &recorder{}, Slots: make(semaphore.Semaphore, 1), Busy: BusyReject}, nil)
	first := dial(t, address)
	first.expect("", "220")
	second := dial(t, address)
	require.Equal(t, "421 4.3.2 Too many connections, try again later", second.line())
	require.Equal(t, "", second.line())
	first.expect("QUIT\r\n", "221")
	require.Eventually(t, func() bool {
		c := dial(t, address)
		defer c.Close()
		return strings.HasPrefix(c.line(), "220")
	}, 5*time.Second, 10*time.Millisecond)
}

// failing is a listener that is short of file descriptors for a while.
type failing struct {
	*pipes
	errs []error
	at   []time.Time
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		f.at = append(f.at, time.Now())
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	return f.pipes.Accept()
}

func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		f := &failing{pipes: newPipes()}
		for range 12 {
			f.errs = append(f.errs, syscall.EMFILE)
		}
		serveOn(t, &Server{Backend: &recorder{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}, nil, f)
		c := &client{t: t, Conn: f.dial()}
		c.expect("", "220")
		c.Close()
		require.Equal(t, time.Second, f.at[11].Sub(f.at[10]), "pauses grow to a second")
		require.Equal(t, 5*time.Millisecond, f.at[1].Sub(f.at[0]))
		require.Contains(t, log.String(), "too many open files")
	})
	f := &failing{pipes: newPipes(), errs: []error{syscall.EINVAL}}
	require.ErrorIs(t, (&Server{Backend: &recorder{}}).Serve(f), syscall.EINVAL)
}

// resolver is a fixed reverse DNS.
type resolver struct {
	names []string
	err   error
	asked int
}

func (r *resolver) LookupAddr(context.Context, string) ([]string, error) {
	r.asked++
	return r.names, r.err
}

func TestServerName(t *testing.T) {
	local := netip.MustParseAddr("192.0.2.1")
	ctx := context.Background()
	r := &resolver{names: []string{"reverse.test."}}
	s := &Server{Resolver: r, Hostname: "host.test", Name: func(a netip.Addr) string {
		if a == local {
			return "mta.test"
		}
		return ""
	}}
	require.Equal(t, "mta.test", s.serverName(ctx, local))
	require.Equal(t, "host.test", s.serverName(ctx, netip.MustParseAddr("192.0.2.2")))
	s.Hostname, s.Name = "", nil
	require.Equal(t, "reverse.test", s.serverName(ctx, local))
	require.Equal(t, "reverse.test", s.serverName(ctx, local))
	require.Equal(t, 1, r.asked, "asked once")
	require.Equal(t, "localhost", s.serverName(ctx, netip.Addr{}))

	s = &Server{Resolver: &resolver{names: []string{"not a name\r\n."}}}
	require.Equal(t, "[192.0.2.1]", s.serverName(ctx, local), "a name that could not stand in a greeting is none")

	broken := &resolver{err: errors.New("no DNS")}
	s = &Server{Resolver: broken}
	require.Equal(t, "[192.0.2.1]", s.serverName(ctx, local))
	require.Equal(t, "[IPv6:2001:db8::1]", s.serverName(ctx, netip.MustParseAddr("2001:db8::1")))
	require.Equal(t, "[192.0.2.1]", s.serverName(ctx, local))
	require.Equal(t, 2, broken.asked, "a failure is believed for a while")
}

func TestProtocolWords(t *testing.T) {
	require.Equal(t, "SMTP", NewConn(ConnInfo{HELO: true}).Protocol())
	require.Equal(t, "ESMTP", NewConn(ConnInfo{}).Protocol())
	require.Equal(t, "ESMTPA", NewConn(ConnInfo{User: "u"}).Protocol())
	require.Equal(t, "UTF8SMTP", NewConn(ConnInfo{UTF8: true}).Protocol())
	require.Equal(t, "LMTPA", NewConn(ConnInfo{User: "u", Listener: &Listener{LMTP: true}}).Protocol())
	require.Equal(t, "UTF8LMTP", NewConn(ConnInfo{UTF8: true, Listener: &Listener{LMTP: true}}).Protocol())
	require.True(t, NewConn(ConnInfo{}).Trusted())
	require.False(t, NewConn(ConnInfo{Listener: &Listener{AuthToRelay: true}}).Trusted())
	require.True(t, NewConn(ConnInfo{User: "u", Listener: &Listener{AuthToRelay: true}}).Trusted())
}

// A client that sends secrets where they have no place does not show them to whoever watches.
func TestTranscriptHidesStraySecrets(t *testing.T) {
	m := &events{}
	c := dial(t, serve(t, &Server{Backend: &recorder{}, Monitor: m}, nil))
	c.expect("", "220")
	c.expect("EHLO a\r\nAUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\nNOOP\r\nAUTH PLAIN AHVzZXIAc2Vj\x01cmV0\r\nauthc2VjcmV0\r\n",
		"250", "502", "500", "500", "250", "500", "500")
	c.expect("QUIT\r\n", "221")
	script := m.text()
	require.NotContains(t, script, "dXNlcg")
	require.NotContains(t, script, "c2Vj")
	require.Contains(t, script, "< NOOP")
}

// Mails that wait in the buffer are not taken once the client is known to be gone: it will send them again.
func TestNoMailForAClientThatIsGone(t *testing.T) {
	b := &recorder{}
	s := &Server{Backend: b, Hostname: "mx.test", Logger: slog.New(slog.DiscardHandler)}
	s.start()
	defer s.cancel()
	flight := "EHLO a\r\n" + strings.Repeat("NOOP\r\n", 900) + envelope + "BDAT 2 LAST\r\n\r\n"
	nc := &deaf{scripted{in: strings.NewReader(flight)}}
	newSession(s, nc, &Listener{}).run()
	require.Empty(t, b.got())
}

// deaf is a connection that takes the greeting and nothing else.
type deaf struct{ scripted }

func (d *deaf) Write(p []byte) (int, error) {
	if d.out.Len() > 0 {
		return 0, syscall.EPIPE
	}
	return d.scripted.Write(p)
}

// TestNothingAfter421, whatever was still to be said.
func TestNothingAfter421(t *testing.T) {
	for name, dialogue := range map[string]string{
		"a chunk of no mail": "BDAT 10\r\nabc",
		"a chunk of a mail":  "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 10\r\nabc",
		"a chunk of a refused mail": "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 1001\r\n" +
			strings.Repeat("x", 1001) + "BDAT 10\r\nabc",
		"a chunk that is too large": "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 1001\r\nabc",
		"a mail":                    "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nabc",
		"too many errors":           strings.Repeat("RABBIT\r\n", 30),
		"too many errors in a chunk": "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 1\r\na" +
			strings.Repeat("RABBIT\r\n", 30),
		"a login":   "AUTH LOGIN\r\n",
		"a command": "NOO",
	} {
		t.Run(name, func(t *testing.T) {
			s := &Server{Backend: &recorder{auth: true}, MaxSize: 1000, Timeout: 50 * time.Millisecond}
			c := dial(t, serve(t, s, nil))
			c.expect("", "220")
			c.expect("EHLO client.test\r\n", "250")
			c.send(dialogue)
			code := ""
			for {
				next, _ := c.reply()
				if next == "" {
					break
				}
				require.NotEqual(t, "421", code, "and then %s", next)
				code = next
			}
			require.Equal(t, "421", code)
		})
	}
}

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// sink is where mail ends, with what came.
type sink struct {
	*smtptest.Sink
	port int

	mu    sync.Mutex
	mails []*smtptest.Received
}

// newSink starts a sink that only counts on a free port of loopback.
func newSink(t testing.TB, s *smtptest.Sink) *sink {
	t.Helper()
	k := &sink{Sink: s}
	k.serve(t, "127.0.0.1:0")
	return k
}

// newKeeper starts a sink that keeps the mails.
func newKeeper(t testing.TB, s *smtptest.Sink) *sink {
	t.Helper()
	k := &sink{Sink: s}
	s.Received = k.keep
	k.serve(t, "127.0.0.1:0")
	return k
}

func (k *sink) keep(m *smtptest.Received) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mails = append(k.mails, m)
}

func (k *sink) serve(t testing.TB, address string) {
	t.Helper()
	l, err := listenTCP(address)
	require.NoError(t, err)
	k.port = int(smtptest.LocalAddr(l).Port())
	ended := make(chan error, 1)
	go func() { ended <- k.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, k.Close())
		require.NoError(t, <-ended)
	})
}

func listenTCP(address string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(context.Background(), "tcp", address)
}

// settings have all mail go to the sink.
func (k *sink) settings() settings {
	return settings{"smtp-sink-address": "127.0.0.1", "smtp-sink-port": strconv.Itoa(k.port)}
}

// received returns the mails that a keeper has.
func (k *sink) received() []*smtptest.Received {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]*smtptest.Received(nil), k.mails...)
}

// await waits for n mails and returns them.
func (k *sink) await(t testing.TB, n int) []*smtptest.Received {
	t.Helper()
	eventually(t, fmt.Sprintf("%d mails arrive", n), func() bool { return len(k.received()) >= n })
	mails := k.received()
	require.Len(t, mails, n)
	return mails
}

// recipients returns the recipients of all mails that a keeper has, in the order of arrival.
func (k *sink) recipients() []string {
	var all []string
	for _, m := range k.received() {
		all = append(all, m.Recipients...)
	}
	return all
}

// onceEach requires that mails 1 to n arrive, each once and undamaged.
func (k *sink) onceEach(t testing.TB, n int64) {
	t.Helper()
	k.arrive(t, n)
	require.Zero(t, k.Duplicates(), "mails that came twice")
}

// arrive waits until mails 1 to n are there.
func (k *sink) arrive(t testing.TB, n int64) {
	t.Helper()
	require.Eventually(t, func() bool { return k.Tally().Distinct() >= n }, 2*patience, 10*time.Millisecond,
		"only some of the mails arrived")
	missing, total := k.Tally().Missing(n, 10)
	require.Zero(t, total, "mails that did not arrive, among them %v", missing)
	stats := k.Stats()
	require.Equal(t, n, stats.Arrived)
	require.Zero(t, stats.Misplaced)
	require.Zero(t, stats.Damaged)
}

// send runs a source against mtad, all of whose mails must be accepted.
func (d *daemon) send(t testing.TB, s *smtptest.Source) {
	t.Helper()
	s.Address = d.addr
	if s.Sessions == 0 {
		s.Sessions = 10
	}
	report, err := s.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, s.Messages, report.Accepted, "mails accepted; refused: %v, errors: %v", report.Refused, report.Errors)
}

// client speaks SMTP by hand.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// talk connects to mtad and reads its greeting.
func (d *daemon) talk(t testing.TB) *client {
	t.Helper()
	c := dial(t, d.addr)
	c.expect(220)
	return c
}

func dial(t testing.TB, address string) *client {
	t.Helper()
	var dialer net.Dialer
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return newClient(t, conn)
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &client{t, conn, bufio.NewReader(conn)}
}

// freePort returns a port of loopback that is free at the moment.
func freePort(t testing.TB) string {
	t.Helper()
	return strconv.Itoa(testserver.FreePort(t))
}

// say sends lines, each with a CRLF.
func (c *client) say(lines ...string) {
	c.t.Helper()
	c.raw(strings.Join(lines, "\r\n") + "\r\n")
}

func (c *client) raw(text string) {
	c.t.Helper()
	_, err := c.conn.Write([]byte(text))
	require.NoError(c.t, err)
}

// reply reads one reply: its code and all of its lines.
func (c *client) reply() (code int, text string) {
	c.t.Helper()
	code, text, err := c.read()
	require.NoError(c.t, err, "after %q", text)
	return code, text
}

func (c *client) read() (code int, text string, err error) {
	for {
		line, err := c.r.ReadString('\n')
		text += line
		if err != nil {
			return 0, text, err
		}
		if len(line) < 4 {
			return 0, text, fmt.Errorf("not a reply: %q", line)
		}
		if line[3] != '-' {
			code, err := strconv.Atoi(line[:3])
			return code, text, err
		}
	}
}

// expect reads one reply of the given code and returns its text.
func (c *client) expect(code int) string {
	c.t.Helper()
	got, text := c.reply()
	require.Equal(c.t, code, got, "reply: %s", text)
	return text
}

// command sends a line and expects a reply.
func (c *client) command(line string, code int) string {
	c.t.Helper()
	c.say(line)
	return c.expect(code)
}

// mail goes through a transaction up to the end of the mail and returns the text of the last reply.
func (c *client) mail(from, to, data string, code int) string {
	c.t.Helper()
	c.command("EHLO client.test", 250)
	c.command("MAIL FROM:<"+from+">", 250)
	c.command("RCPT TO:<"+to+">", 250)
	c.command("DATA", 354)
	c.raw(data + "\r\n.\r\n")
	return c.expect(code)
}

// submit sends one mail over a connection of its own.
func (d *daemon) submit(t testing.TB, from, to, data string) {
	t.Helper()
	c := d.talk(t)
	c.mail(from, to, data, 250)
	c.command("QUIT", 221)
	c.conn.Close()
}

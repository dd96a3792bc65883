package mtatest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// Sink is where mail ends, with what came.
type Sink struct {
	*smtptest.Sink
	Port int

	mu    sync.Mutex
	mails []*smtptest.Received
}

// NewSink starts a sink that only counts on a free port of loopback.
func NewSink(t testing.TB, s *smtptest.Sink) *Sink {
	t.Helper()
	k := &Sink{Sink: s}
	k.serve(t, "127.0.0.1:0")
	return k
}

// NewKeeper starts a sink that keeps the mails.
func NewKeeper(t testing.TB, s *smtptest.Sink) *Sink {
	t.Helper()
	k := &Sink{Sink: s}
	s.Received = k.keep
	k.serve(t, "127.0.0.1:0")
	return k
}

func (k *Sink) keep(m *smtptest.Received) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mails = append(k.mails, m)
}

func (k *Sink) serve(t testing.TB, address string) {
	t.Helper()
	l, err := ListenTCP(address)
	require.NoError(t, err)
	k.Port = int(smtptest.LocalAddr(l).Port())
	ended := make(chan error, 1)
	go func() { ended <- k.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, k.Close())
		require.NoError(t, <-ended)
	})
}

func ListenTCP(address string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(context.Background(), "tcp", address)
}

// Settings have all mail go to the sink.
func (k *Sink) Settings() Settings {
	return Settings{"smtp-sink-address": "127.0.0.1", "smtp-sink-port": strconv.Itoa(k.Port)}
}

// Received returns the mails that a keeper has.
func (k *Sink) Received() []*smtptest.Received {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]*smtptest.Received(nil), k.mails...)
}

// Await waits for n mails and returns them.
func (k *Sink) Await(t testing.TB, n int) []*smtptest.Received {
	t.Helper()
	Eventually(t, fmt.Sprintf("%d mails arrive", n), func() bool { return len(k.Received()) >= n })
	mails := k.Received()
	require.Len(t, mails, n)
	return mails
}

// Recipients returns the recipients of all mails that a keeper has, in the order of arrival.
func (k *Sink) Recipients() []string {
	var all []string
	for _, m := range k.Received() {
		all = append(all, m.Recipients...)
	}
	return all
}

// OnceEach requires that mails 1 to n arrive, each once and undamaged.
func (k *Sink) OnceEach(t testing.TB, n int64) {
	t.Helper()
	k.arrive(t, n)
	require.Zero(t, k.Duplicates(), "mails that came twice")
}

// arrive waits until mails 1 to n are there.
func (k *Sink) arrive(t testing.TB, n int64) {
	t.Helper()
	require.Eventually(t, func() bool { return k.Tally().Distinct() >= n }, 2*Patience, 10*time.Millisecond,
		"only some of the mails arrived")
	missing, total := k.Tally().Missing(n, 10)
	require.Zero(t, total, "mails that did not arrive, among them %v", missing)
	stats := k.Stats()
	require.Equal(t, n, stats.Arrived)
	require.Zero(t, stats.Misplaced)
	require.Zero(t, stats.Damaged)
}

// Send runs a source against mtad, all of whose mails must be accepted.
func (d *Daemon) Send(t testing.TB, s *smtptest.Source) {
	t.Helper()
	s.Address = d.Addr
	if s.Sessions == 0 {
		s.Sessions = 10
	}
	report, err := s.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, s.Messages, report.Accepted, "mails accepted; refused: %v, errors: %v", report.Refused, report.Errors)
}

// single numbers the mails of One, apart from those of sources.
var single atomic.Int64

// One sends one mail and returns the code of the answer.
func (d *Daemon) One(t testing.TB) int {
	t.Helper()
	to := fmt.Sprintf("s%d@d1.sink.test", 900_000+single.Add(1))
	c := d.Talk(t)
	defer c.Conn.Close()
	c.Command("EHLO client.test", 250)
	c.Command("MAIL FROM:<a@client.test>", 250)
	c.Command("RCPT TO:<"+to+">", 250)
	c.Command("DATA", 354)
	c.Raw("Subject: x\r\n\r\ntext\r\n.\r\n")
	code, _ := c.Reply()
	return code
}

// Client speaks SMTP by hand.
type Client struct {
	T    testing.TB
	Conn net.Conn
	R    *bufio.Reader
}

// Talk connects to mtad and reads its greeting.
func (d *Daemon) Talk(t testing.TB) *Client {
	t.Helper()
	c := Dial(t, d.Addr)
	c.Expect(220)
	return c
}

func Dial(t testing.TB, address string) *Client {
	t.Helper()
	var dialer net.Dialer
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return NewClient(t, conn)
}

func NewClient(t testing.TB, conn net.Conn) *Client {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(Patience)))
	return &Client{t, conn, bufio.NewReader(conn)}
}

// FreePort returns a port of loopback that is free at the moment.
func FreePort(t testing.TB) string {
	t.Helper()
	return strconv.Itoa(testserver.FreePort(t))
}

// Say sends lines, each with a CRLF.
func (c *Client) Say(lines ...string) {
	c.T.Helper()
	c.Raw(strings.Join(lines, "\r\n") + "\r\n")
}

func (c *Client) Raw(text string) {
	c.T.Helper()
	_, err := c.Conn.Write([]byte(text))
	require.NoError(c.T, err)
}

// Reply reads one reply: its code and all of its lines.
func (c *Client) Reply() (code int, text string) {
	c.T.Helper()
	code, text, err := c.Read()
	require.NoError(c.T, err, "after %q", text)
	return code, text
}

func (c *Client) Read() (code int, text string, err error) {
	for {
		line, err := c.R.ReadString('\n')
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

// Expect reads one reply of the given code and returns its text.
func (c *Client) Expect(code int) string {
	c.T.Helper()
	got, text := c.Reply()
	require.Equal(c.T, code, got, "reply: %s", text)
	return text
}

// Command sends a line and expects a reply.
func (c *Client) Command(line string, code int) string {
	c.T.Helper()
	c.Say(line)
	return c.Expect(code)
}

// Mail goes through a transaction up to the end of the mail and returns the text of the last reply.
func (c *Client) Mail(from, to, data string, code int) string {
	c.T.Helper()
	c.Command("EHLO client.test", 250)
	c.Command("MAIL FROM:<"+from+">", 250)
	c.Command("RCPT TO:<"+to+">", 250)
	c.Command("DATA", 354)
	c.Raw(data + "\r\n.\r\n")
	return c.Expect(code)
}

// Submit sends one mail over a connection of its own.
func (d *Daemon) Submit(t testing.TB, from, to, data string) {
	t.Helper()
	c := d.Talk(t)
	c.Mail(from, to, data, 250)
	c.Command("QUIT", 221)
	c.Conn.Close()
}

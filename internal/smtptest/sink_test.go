package smtptest

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	end   chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), end: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.end) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// start serves s in memory until the test ends.
func start(t *testing.T, s *Sink) *pipes {
	t.Helper()
	l := newPipes()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, <-served)
	})
	return l
}

func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			conn, err := start(t, new(Sink)).dial(t.Context(), "")
			require.NoError(t, err)
			defer conn.Close()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			play(t, conn, string(text))
		})
	}
}

// play speaks the C lines of a dialogue and expects the S lines.
func play(t *testing.T, conn net.Conn, script string) {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	r := bufio.NewReader(conn)
	for i, line := range strings.Split(strings.TrimSuffix(script, "\n"), "\n") {
		text := strings.TrimPrefix(line[min(len(line), 2):], " ")
		switch {
		case strings.HasPrefix(line, "C:"):
			_, err := io.WriteString(conn, text+"\r\n")
			require.NoError(t, err, "line %d: %s", i+1, line)
		case line == "S: EOF":
			_, err := r.ReadString('\n')
			require.ErrorIs(t, err, io.EOF, "line %d", i+1)
		case strings.HasPrefix(line, "S:"):
			got, err := r.ReadString('\n')
			require.NoError(t, err, "line %d: %s", i+1, line)
			require.Equal(t, text+"\r\n", got, "line %d", i+1)
		}
	}
}

func TestSinkKeepsMails(t *testing.T) {
	got := make(chan *Received, 1)
	l := start(t, &Sink{Received: func(r *Received) { got <- r }})
	conn, err := l.dial(t.Context(), "")
	require.NoError(t, err)
	defer conn.Close()
	play(t, conn, "S: 220 sink.test ESMTP sink\nC: HELO me\nS: 250 sink.test\nC: MAIL FROM:<a@x.test>\nS: 250 2.1.0 OK\n"+
		"C: RCPT TO:<b@y.test>\nS: 250 2.1.5 OK\nC: RCPT TO:<c@y.test>\nS: 250 2.1.5 OK\nC: DATA\nS: 354 Go ahead\nC: A: b\nC:\nC: ..x\nC: .\nS: 250 2.0.0 OK")
	r := <-got
	require.Equal(t, "a@x.test", r.From)
	require.Equal(t, []string{"b@y.test", "c@y.test"}, r.Recipients)
	require.Equal(t, "A: b\r\n\r\n.x\r\n", string(r.Data))
	require.Equal(t, "me", r.Helo)
}

func TestLargeMailInPieces(t *testing.T) {
	for _, size := range []int{100, sinkBuffer - 10, sinkBuffer, sinkBuffer + 7, 5 * sinkBuffer} {
		got := make(chan *Received, 1)
		sink := &Sink{Received: func(r *Received) { got <- r }, Verify: true}
		l := start(t, sink)
		source := &Source{Dial: l.dial, Messages: 1, Size: size}
		report, err := source.Run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, report.Accepted)
		require.Zero(t, sink.Stats().Damaged)
		if r := <-got; size > 1000 {
			require.InDelta(t, size, len(r.Data), 12, "but for the digits of its number")
		}
	}
}

func TestSinkNoticesDamage(t *testing.T) {
	sink := &Sink{Verify: true}
	l := start(t, sink)
	conn, err := l.dial(t.Context(), "")
	require.NoError(t, err)
	defer conn.Close()
	const begin = "S: 220 sink.test ESMTP sink\nC: HELO me\nS: 250 sink.test\n"
	const mail = "C: MAIL FROM:<>\nS: 250 2.1.0 OK\nC: RCPT TO:<s7@y.test>\nS: 250 2.1.5 OK\nC: DATA\nS: 354 Go ahead\n" +
		"C: X-Sluice-Seq: 3/2\nC: X-Sluice-Sum: 00000000\nC:\nC: text\nC: .\nS: 250 2.0.0 OK\n"
	play(t, conn, begin+mail+mail)
	st := sink.Stats()
	require.EqualValues(t, 2, st.Damaged, "the sum is wrong")
	require.EqualValues(t, 2, st.Misplaced, "7 is neither 3 nor 4")
	require.EqualValues(t, 1, st.Arrived)
	require.EqualValues(t, 1, sink.Duplicates())
}

func TestConnectionAndMessageLimits(t *testing.T) {
	l := start(t, &Sink{MaxConnections: 1, MaxMessages: 1, MaxSize: 8})
	conn, err := l.dial(t.Context(), "")
	require.NoError(t, err)
	defer conn.Close()
	play(t, conn, "S: 220 sink.test ESMTP sink")
	second, err := l.dial(t.Context(), "")
	require.NoError(t, err)
	defer second.Close()
	play(t, second, "S: 421 4.3.2 Too many connections\nS: EOF")
	play(t, conn, "C: MAIL FROM:<>\nS: 250 2.1.0 OK\nC: RCPT TO:<s7@y.test>\nS: 250 2.1.5 OK\nC: DATA\nS: 354 Go ahead\n"+
		"C: This is too large\nC: .\nS: 552 5.3.4 Too large\nC: MAIL FROM:<>\nS: 421 4.7.0 Too many messages on this connection\nS: EOF")
}

func TestEndlessLine(t *testing.T) {
	l := start(t, new(Sink))
	conn, err := l.dial(t.Context(), "")
	require.NoError(t, err)
	defer conn.Close()
	play(t, conn, "S: 220 sink.test ESMTP sink")
	go func() { _, _ = conn.Write(make([]byte, sinkBuffer)) }()
	play(t, conn, "S: 500 5.5.2 Line too long\nS: EOF")
}

func TestLatencyIsPerFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, &Sink{Latency: 50 * time.Millisecond})
		source := &Source{Dial: l.dial, Messages: 10}
		report, err := source.Run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 10, report.Accepted)
		require.Equal(t, 100*time.Millisecond, report.Latency.Max(), "two flights a mail")
		require.Equal(t, time.Duration(50*(2+10*2))*time.Millisecond, report.Elapsed)

		serial := &Source{Dial: l.dial, Messages: 1, Serial: true}
		report, err = serial.Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, 200*time.Millisecond, report.Latency.Max())
	})
}

func TestGreylistAndDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules, err := ParseScript("rcpt greylisted@* greylist 30s\ndot slow@* delay 3s")
		require.NoError(t, err)
		l := start(t, &Sink{Rules: rules})
		conn, err := l.dial(t.Context(), "")
		require.NoError(t, err)
		defer conn.Close()
		play(t, conn,
			"S: 220 sink.test ESMTP sink\nC: MAIL FROM:<a@x.test>\nS: 250 2.1.0 OK\nC: RCPT TO:<greylisted@y.test>\nS: 451 4.7.1 Greylisted, please come back")
		time.Sleep(30 * time.Second)
		play(t, conn,
			"C: RCPT TO:<greylisted@y.test>\nS: 250 2.1.5 OK\nC: RCPT TO:<slow@y.test>\nS: 250 2.1.5 OK\nC: DATA\nS: 354 Go ahead")
		begun := time.Now()
		play(t, conn, "C: .\nS: 250 2.0.0 OK")
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

func TestHangEndsWithTheSink(t *testing.T) {
	s := new(Sink)
	l := start(t, s)
	conn, err := l.dial(t.Context(), "")
	require.NoError(t, err)
	defer conn.Close()
	play(t, conn,
		"S: 220 sink.test ESMTP sink\nC: MAIL FROM:<a@x.test>\nS: 250 2.1.0 OK\nC: RCPT TO:<a@hang.test>\nC: NOOP")
	require.NoError(t, s.Close())
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.ErrorIs(t, s.Serve(newPipes()), net.ErrClosed, "a closed sink serves no more")
}

func TestStartTLS(t *testing.T) {
	config, roots, err := SelfSigned()
	require.NoError(t, err)
	inTLS := make(chan bool, 3)
	s := &Sink{TLS: config, Received: func(r *Received) { inTLS <- r.TLS }}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	source := &Source{Address: l.Addr().String(), Messages: 3, Sessions: 2, TLS: &tls.Config{RootCAs: roots}}
	report, err := source.Run(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, report.Accepted, "%v", report.Errors)
	require.True(t, <-inTLS)
	require.NoError(t, s.Close())
	require.NoError(t, <-served)
}

func FuzzSession(f *testing.F) {
	f.Add([]byte("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<s1@d>\r\nDATA\r\nX-Sluice-Seq: 1/1\r\n\r\nx\r\n.\r\nQUIT\r\n"))
	f.Add([]byte("MAIL FROM:<>\nRCPT TO:<@>\nDATA\n.\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		s := &Sink{NoNames: true, Verify: true, Received: func(*Received) {}}
		s.setUp()
		here, there := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, here) }()
		go func() { _, _ = here.Write(input); _ = here.Close() }()
		newSession(s, there).run(false)
	})
}

package wire

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", MaxCommand)
	cases := []struct {
		name, in string
		want     []string // lines, or errors in brackets
	}{
		{"pipelined", "EHLO a\r\nNOOP\r\n\r\n", []string{"EHLO a", "NOOP", ""}},
		{"just fits", long[:510] + "\r\nNOOP\r\n", []string{long[:510], "NOOP"}},
		{"too long", long[:511] + "\r\nNOOP\r\n", []string{"[too long]", "NOOP"}},
		{"far too long", strings.Repeat(long, 50) + "\r\nNOOP\r\n", []string{"[too long]", "NOOP"}},
		{"endless", strings.Repeat(long, 500), []string{"[too long]", "[endless]", "[endless]"}},
		{"MAIL may be longer", "mail " + long + "\r\nRCPT " + long + "\r\n", []string{"mail " + long, "RCPT " + long}},
		{"AUTH may be long", "AUTH " + strings.Repeat("x", 12000) + "\r\n", []string{"AUTH " + strings.Repeat("x", 12000)}},
		{"AUTH has a limit", "AUTH " + strings.Repeat("x", 12300) + "\r\nNOOP\r\n", []string{"[too long]", "NOOP"}},
		{"LF alone", "NOOP\nQUIT\r\n", []string{"[bare LF]"}},
		{"CR within", "NO\rOP\r\n", []string{"NO\rOP"}},
		{"no end", "NOOP", []string{"[EOF]"}},
		{"nothing", "", []string{"[EOF]"}},
		{"TLS", "\x16\x03\x01\x02\x00", []string{"[binary]"}},
	}
	names := map[error]string{ErrLong: "[too long]", ErrBareLF: "[bare LF]", errEndless: "[endless]",
		ErrBinary: "[binary]", io.EOF: "[EOF]"}
	for _, c := range cases {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "dripping": iotest.OneByteReader,
		} {
			t.Run(c.name+" "+how, func(t *testing.T) {
				conn, _ := input(wrap(strings.NewReader(c.in)))
				for _, want := range c.want {
					line, err := conn.ReadLine(0)
					got := string(line)
					if err != nil {
						got = names[err]
					}
					require.Equal(t, want, got)
					if err == ErrBareLF {
						break
					}
				}
			})
		}
	}
}

func TestReplies(t *testing.T) {
	conn, f := input(strings.NewReader("NOOP\r\n"))
	conn.Reply(250, Status{}, "name\nPIPELINING\nSIZE 10")
	conn.Reply(250, Status{2, 1, 0}, "one\ntwo")
	conn.Reply(334, Status{}, "")
	conn.Reply(550, Status{5, 7, 1}, "no\r\x00\x7f220 injected")
	require.Zero(t, f.writes, "replies wait")
	_, err := conn.ReadLine(0)
	require.NoError(t, err)
	require.Equal(t, 1, f.writes, "one write before the read")
	require.Equal(t, "250-name\r\n250-PIPELINING\r\n250 SIZE 10\r\n250-2.1.0 one\r\n250 2.1.0 two\r\n334 \r\n"+
		"550 5.7.1 no   220 injected\r\n", f.out.String())
}

func TestRepliesAreBounded(t *testing.T) {
	conn, f := input(strings.NewReader(""))
	for range 10_000 {
		conn.Reply(250, Status{2, 1, 5}, "Recipient accepted")
	}
	require.NoError(t, conn.Flush())
	require.Equal(t, 10_000, bytes.Count(f.out.Bytes(), []byte("\r\n")))
	require.LessOrEqual(t, cap(conn.out), 2*outputFull)
}

func TestOneReadTakesAFlight(t *testing.T) {
	conn, f := input(strings.NewReader(strings.Repeat("RCPT TO:<someone@example.com>\r\n", 500)))
	for range 500 {
		_, err := conn.ReadLine(0)
		require.NoError(t, err)
	}
	require.Equal(t, 1, f.reads)
}

// piped returns a Conn and the client's end.
func piped(t *testing.T) (*Conn, net.Conn) {
	client, server := net.Pipe()
	c := NewConn(server, &Buffers{})
	t.Cleanup(func() { c.Release(); client.Close() })
	return c, client
}

func TestTimeoutRestartsWithData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := piped(t)
		c.Timeout = time.Minute
		go func() { // it is done before the time-out
			for range 5 {
				time.Sleep(50 * time.Second)
				client.Write([]byte("x"))
			}
		}()
		begin := time.Now()
		_, err := c.ReadLine(0)
		require.Equal(t, ErrTimeout, err)
		require.InDelta(t, 310, time.Since(begin).Seconds(), 1.1)
	})
}

func TestLimitEndsADrippingClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := piped(t)
		c.Timeout = time.Minute
		c.SetLimit(time.Now().Add(time.Hour))
		dripped := make(chan struct{})
		go func() {
			defer close(dripped)
			for {
				time.Sleep(50 * time.Second)
				if _, err := client.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
		begin := time.Now()
		var d DotReader
		d.Data(c, RejectBare, 0)
		_, err := io.Copy(io.Discard, &d)
		require.Equal(t, ErrDeadline, err)
		require.Equal(t, time.Hour, time.Since(begin))
		require.Equal(t, ErrDeadline, d.Drain())
		client.Close()
		<-dripped
	})
}

func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := piped(t) // whose client reads nothing
		c.Timeout = time.Minute
		c.Reply(250, Status{}, "hello")
		_, err := c.ReadLine(0)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.True(t, c.Broken())
	})
}

func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := piped(t)
		c.Timeout = time.Minute
		done := make(chan error, 1)
		read := func() { _, err := c.ReadLine(0); done <- err }
		go read()
		synctest.Wait()
		c.Interrupt()
		synctest.Wait()
		client.Write([]byte("NOOP\r\n"))
		require.NoError(t, <-done, "a busy connection goes on")
		c.Idle = true
		go read()
		require.Equal(t, ErrInterrupted, <-done)
	})
	synctest.Test(t, func(t *testing.T) {
		c, _ := piped(t)
		c.Idle = true
		done := make(chan error, 1)
		go func() { _, err := c.ReadLine(0); done <- err }()
		synctest.Wait()
		c.Interrupt()
		require.Equal(t, ErrInterrupted, <-done)
	})
}

func TestReleaseGivesBuffersBack(t *testing.T) {
	var pool Buffers
	f := &fakeConn{in: strings.NewReader("NOOP\r\n")}
	c := NewConn(f, &pool)
	c.Release()
	require.True(t, f.closed)
	_, err := c.ReadLine(0)
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, c.Flush(), net.ErrClosed)
}

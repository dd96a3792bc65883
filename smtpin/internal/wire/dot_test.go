package wire

import (
	"bytes"
	"cmp"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeConn is a connection whose input is a reader, and which keeps its output.
type fakeConn struct {
	in     io.Reader
	out    bytes.Buffer
	writes int
	reads  int
	closed bool
}

func (f *fakeConn) Read(p []byte) (int, error)       { f.reads++; return f.in.Read(p) }
func (f *fakeConn) Write(p []byte) (int, error)      { f.writes++; return f.out.Write(p) }
func (f *fakeConn) Close() error                     { f.closed = true; return nil }
func (f *fakeConn) LocalAddr() net.Addr              { return nil }
func (f *fakeConn) RemoteAddr() net.Addr             { return nil }
func (f *fakeConn) SetDeadline(time.Time) error      { return nil }
func (f *fakeConn) SetReadDeadline(time.Time) error  { return nil }
func (f *fakeConn) SetWriteDeadline(time.Time) error { return nil }

func input(r io.Reader) (*Conn, *fakeConn) {
	f := &fakeConn{in: r}
	return NewConn(f, &Buffers{}), f
}

func text(s string) *Conn {
	c, _ := input(strings.NewReader(s))
	return c
}

// slowDot is a DotReader that normalises, one octet at a time: the rules and nothing else. odd is what another would
// refuse it for.
func slowDot(in []byte) (mail []byte, rest []byte, odd error, ended bool) {
	start := true
	for i := 0; i < len(in); {
		at := func(k int) byte {
			if i+k < len(in) {
				return in[i+k]
			}
			return 0
		}
		if start && at(0) == '.' {
			if at(1) == '\r' && at(2) == '\n' {
				return mail, in[i+3:], odd, true
			}
			i++
			start = false
			continue
		}
		switch {
		case at(0) == '\r' && at(1) == '\n':
			mail = append(mail, '\r', '\n')
			start = true
			i += 2
			continue
		case at(0) == '\r' && i+1 == len(in):
			return mail, nil, odd, false // undecided
		case at(0) == '\r', at(0) == '\n':
			odd = cmp.Or(odd, error(errLineEnd))
			mail = append(mail, '\r', '\n')
		case at(0) == 0:
			odd = cmp.Or(odd, error(errNUL))
		default:
			mail = append(mail, at(0))
		}
		start = false
		i++
	}
	return mail, nil, odd, false
}

// checkDot compares DotReader with slowDot.
func checkDot(t *testing.T, in []byte, how func(io.Reader) io.Reader) {
	t.Helper()
	want, rest, odd, ended := slowDot(in)
	for _, ends := range []LineEnds{RejectBare, NormaliseBare} {
		c, _ := input(how(bytes.NewReader(in)))
		var d DotReader
		d.Data(c, ends, 0)
		var got bytes.Buffer
		_, err := d.WriteTo(&got)
		switch {
		case odd != nil && ends == RejectBare:
			require.Equal(t, odd, err)
			require.True(t, bytes.HasPrefix(want, got.Bytes()), "%q of %q", got.Bytes(), want)
		case ended:
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
		default:
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
		err = d.Drain()
		if !ended {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			continue
		}
		require.NoError(t, err)
		if odd != nil && ends == RejectBare {
			require.Equal(t, odd, d.Failed())
		} else {
			require.NoError(t, d.Failed())
		}
		after, err := io.ReadAll(io.MultiReader(bytes.NewReader(c.buffered()), c.nc))
		require.NoError(t, err)
		require.Equal(t, string(rest), string(after), "what follows the mail")
	}
}

var dotCases = []string{
	".\r\n",
	"\r\n.\r\n",
	"a\r\n.\r\nQUIT\r\n",
	"..\r\n.\r\n",
	"...a\r\n.b\r\n.\r\nrest",
	"a\r\n..\r\n.\r\n",
	"a\r\n.\r\r\n.\r\n",
	"nul\x00\r\n\x00.\r\n.\r\nX",
	"\x00", "\x00.\r\n.\r\nX", "a\r\x00\n.\r\n.\r\nX", "a\x00\nb\n\x00\r\n.\r\nX", "a\r\n.\x00\x00\r\n.\r\nX",
	strings.Repeat("\x00", 40_000) + "\r\n.\r\nX",
	strings.Repeat("a\n\x00b\r", 9000) + "\r\n.\r\nX",
	strings.Repeat(strings.Repeat("x", 70)+"\r\n.", 200) + "\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n.", 700) +
		"\r\n.\r\nX",
	"8-bit \xff\xfe\r\n.\r\nX",
	"a",
	"",
	".",
	".\r",
	"a\r",
	"a\r\n",
	"a\r\n.",
	"a\r\n.\r",
	strings.Repeat("x", 100_000) + "\r\n.\r\nX",
	strings.Repeat("0123456789\r\n.", 9000) + "\r\n.\r\nX",
	strings.Repeat("\r\n", 40_000) + ".\r\nX",
	strings.Repeat(".", 40_000) + "\r\n.\r\nX",
	// What others may take for the end of a mail.
	"a\n.\nMAIL FROM:<x@y>\r\n.\r\nX",
	"a\r.\rMAIL FROM:<x@y>\r\n.\r\nX",
	"a\n.\r\nMAIL FROM:<x@y>\r\n.\r\nX",
	"a\r\n.\nMAIL FROM:<x@y>\r\n.\r\nX",
	"a\r\n.\rMAIL FROM:<x@y>\r\n.\r\nX",
	"a\r.\r\nMAIL FROM:<x@y>\r\n.\r\nX",
	"a\r\n\x00.\r\nMAIL FROM:<x@y>\r\n.\r\nX",
	"a\r\n.\x00\r\nMAIL FROM:<x@y>\r\n.\r\nX",
	"a\r\r\n.\r\nX",
	"a\n\r.\n\rb\r\n.\r\nX",
	"\n.\r\n.\r\nX",
}

func TestDotReader(t *testing.T) {
	for _, in := range dotCases {
		checkDot(t, []byte(in), func(r io.Reader) io.Reader { return r })
		if len(in) < 1000 {
			checkDot(t, []byte(in), iotest.OneByteReader)
		}
		checkDot(t, []byte(in), iotest.HalfReader)
	}
}

// Wherever the input is cut into reads, the mail is the same.
func TestDotReaderEverySplit(t *testing.T) {
	const in = "one\r\n..two\r\n\r\nthree\n.\n\r.\r\n.fo\x00ur\r\n\x00.\r\n.\r\nQUIT\r\n"
	for i := range in {
		checkDot(t, []byte(in), func(io.Reader) io.Reader {
			return io.MultiReader(strings.NewReader(in[:i]), strings.NewReader(in[i:]))
		})
	}
}

func TestDotReaderRead(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 512} {
		var d DotReader
		d.Data(text("one\r\n..two\r\n.\r\n"), RejectBare, 0)
		var got []byte
		p := make([]byte, size)
		for {
			n, err := d.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
		}
		require.Equal(t, "one\r\n.two\r\n", string(got))
		require.EqualValues(t, len(got), d.Size())
		_, err := d.Read(p)
		require.Equal(t, io.EOF, err)
		require.NoError(t, d.Drain())
	}
	var d DotReader
	d.Data(text("hello\r\n.\r\n"), RejectBare, 0)
	require.NoError(t, iotest.TestReader(&d, []byte("hello\r\n")))
}

func TestDotReaderSize(t *testing.T) {
	const mail = "12345678\r\n"
	exact := text(mail + ".\r\n")
	var d DotReader
	d.Data(exact, RejectBare, int64(len(mail)))
	got, err := io.ReadAll(&d)
	require.NoError(t, err)
	require.Equal(t, mail, string(got))

	over := text("9" + mail + ".\r\nQUIT\r\n")
	d.Data(over, RejectBare, int64(len(mail)))
	_, err = io.ReadAll(&d)
	require.ErrorIs(t, err, ErrTooLarge)
	require.NoError(t, d.Drain(), "the mail is read to its end")
	require.Equal(t, error(ErrTooLarge), d.Failed())
	line, err := over.ReadLine(0)
	require.NoError(t, err)
	require.Equal(t, "QUIT", string(line))

	endless, _ := input(io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), iotest.ErrReader(os.ErrClosed)))
	d.Data(endless, RejectBare, 1000)
	_, err = io.Copy(io.Discard, &d)
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorIs(t, d.Drain(), ErrAbusive)
	_, err = endless.ReadLine(0)
	require.Error(t, err, "nothing is read after a mail without end")
}

func TestDotReaderWriterFails(t *testing.T) {
	var d DotReader
	c := text("a\r\n.\r\nQUIT\r\n")
	d.Data(c, RejectBare, 0)
	_, err := d.WriteTo(failingWriter{})
	require.ErrorIs(t, err, os.ErrPermission)
	require.NoError(t, d.Drain())
	line, err := c.ReadLine(0)
	require.NoError(t, err)
	require.Equal(t, "QUIT", string(line))
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, os.ErrPermission }

func FuzzDotReader(f *testing.F) {
	for _, in := range dotCases {
		if len(in) < 1000 {
			f.Add([]byte(in), uint16(3))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint16) {
		at := min(int(cut), len(in))
		checkDot(t, in, func(io.Reader) io.Reader {
			return io.MultiReader(bytes.NewReader(in[:at]), bytes.NewReader(in[at:]))
		})
	})
}

// endlessMail repeats a text for ever.
type endlessMail struct {
	text []byte
	at   int
}

func (e *endlessMail) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	return n, nil
}

// BenchmarkOddMail is what takes the most time when it is normalised.
func BenchmarkOddMail(b *testing.B) {
	for name, line := range map[string]string{"LF": "a\n", "CR": "a\r", "NUL": "a\x00"} {
		b.Run(name, func(b *testing.B) {
			mail := strings.Repeat(line, 5000)
			b.SetBytes(int64(len(mail)))
			c, _ := input(&endlessMail{text: []byte(mail + "\r\n.\r\n")})
			var d DotReader
			for b.Loop() {
				d.Data(c, NormaliseBare, 0)
				if _, err := d.WriteTo(nowhere{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkDotReader(b *testing.B) {
	lines := map[string]string{
		"lines of 76": strings.Repeat(strings.Repeat("x", 76)+"\r\n", 131),
		"lines of 20": strings.Repeat(strings.Repeat("x", 20)+"\r\n", 465),
	}
	for name, mail := range lines {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(mail)))
			c, _ := input(&endlessMail{text: []byte(mail + ".\r\n")})
			var d DotReader
			for b.Loop() {
				d.Data(c, RejectBare, 0)
				if n, err := d.WriteTo(nowhere{}); err != nil || n != int64(len(mail)) {
					b.Fatal(n, err)
				}
			}
		})
	}
}

package wire

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// chunks reads a mail cut into chunks of the given sizes; the rest is the last.
func chunks(mail string, ends LineEnds, max int64, sizes ...int) (string, error) {
	rest := len(mail)
	next := func() (int64, bool, error) {
		if len(sizes) == 0 {
			return int64(rest), true, nil
		}
		n := sizes[0]
		sizes = sizes[1:]
		rest -= n
		return int64(n), false, nil
	}
	size, last, _ := next()
	var r ChunkReader
	r.Chunks(text(mail), ends, max, size, last, next)
	got, err := io.ReadAll(&r)
	return string(got), err
}

func TestChunkReader(t *testing.T) {
	cases := []struct {
		in, normal string
		odd        error // with which it is refused otherwise
	}{
		{"", "", nil},
		{"plain", "plain", nil},
		{"one\r\n.\r\n..two\r\n", "one\r\n.\r\n..two\r\n", nil},
		{"a\nb", "a\r\nb", errLineEnd},
		{"a\rb", "a\r\nb", errLineEnd},
		{"a\r", "a\r\n", errLineEnd},
		{"\n.\n", "\r\n.\r\n", errLineEnd},
		{"a\r\r\nb", "a\r\n\r\nb", errLineEnd},
		{"nul\x00", "nul", errNUL},
		{"\x00\x00a\r\x00\nb", "a\r\n\r\nb", errNUL},
		{"a\r\x00\nb", "a\r\n\r\nb", errLineEnd},
		{"a\r\n\x00.\r\n", "a\r\n.\r\n", errNUL},
		{strings.Repeat("a\n\x00", 100), strings.Repeat("a\r\n", 100), errLineEnd},
	}
	for _, c := range cases {
		for cut := range len(c.in) + 1 {
			got, err := chunks(c.in, NormaliseBare, 0, cut)
			require.NoError(t, err)
			require.Equal(t, c.normal, got, "%q cut at %d", c.in, cut)
			_, err = chunks(c.in, RejectBare, 0, cut, 0)
			require.Equal(t, c.odd, err, "%q cut at %d", c.in, cut)
		}
	}
}

func TestChunkReaderEnds(t *testing.T) {
	_, err := chunks("12345678", RejectBare, 7, 3)
	require.ErrorIs(t, err, ErrTooLarge)

	var r ChunkReader
	r.Chunks(text("abc"), RejectBare, 0, 5, true, nil)
	_, err = io.ReadAll(&r)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	given := errors.New("given up")
	r.Chunks(text("abcQUIT\r\n"), RejectBare, 0, 3, false, func() (int64, bool, error) { return 0, false, given })
	var b strings.Builder
	_, err = io.Copy(&b, &r)
	require.Equal(t, given, err)
	require.Equal(t, "abc", b.String())

	c := text("abcdefQUIT\r\n")
	r.Chunks(c, RejectBare, 0, 6, true, nil)
	var p [2]byte
	_, err = r.Read(p[:])
	require.NoError(t, err)
	require.NoError(t, r.Drain())
	line, err := c.ReadLine(0)
	require.NoError(t, err)
	require.Equal(t, "QUIT", string(line))
}

package mailbody_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/mailbody"
)

// inMemory is a mail with the method Bytes.
type inMemory struct{ *strings.Reader }

func (m inMemory) Bytes() []byte {
	b := make([]byte, m.Len())
	_, _ = m.ReadAt(b, 0)
	return b
}

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		name, mail, header string
		limit              int
		err                error
	}{
		{"with content", "A: b\r\n\r\nx\r\n\r\ny", "A: b\r\n\r\n", 100, nil},
		{"no content", "A: b\r\n", "A: b\r\n", 100, nil},
		{"empty", "", "", 100, nil},
		{"as long as it may be", "A: b\r\n\r\nxxxx", "A: b\r\n\r\n", 8, nil},
		{"longer", "A: b\r\n\r\nxxxx", "", 7, mailbody.ErrLong},
		{"as long, no content", "A: b\r\n", "A: b\r\n", 6, nil},
		{"many reads", strings.Repeat("A: b\r\n", 20000) + "\r\nx", strings.Repeat("A: b\r\n", 20000) + "\r\n", 1 << 20, nil},
		{"bare line feeds", "A: b\n\nx", "A: b\n\n", 100, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, b := range []mailbody.Body{strings.NewReader(c.mail), inMemory{strings.NewReader(c.mail)}} {
				header, err := mailbody.Header(b, c.limit)
				require.ErrorIs(t, err, c.err)
				require.Equal(t, c.header, string(header))
				require.Equal(t, len(header), cap(header), "appending to it leaves the mail alone")
			}
		})
	}
}

func TestJoin(t *testing.T) {
	rest := strings.NewReader("0123456789")
	j := mailbody.Join([]byte("head "), rest, 4)
	require.NoError(t, iotest.TestReader(io.NewSectionReader(j, 0, j.Size()), []byte("head 456789")))
	for from, want := range map[int64]string{0: "top head 456789", 3: "top d 456789", 5: "top 456789", 7: "top 6789"} {
		again := mailbody.Join([]byte("top "), j, from)
		require.NoError(t, iotest.TestReader(io.NewSectionReader(again, 0, again.Size()), []byte(want)))
	}
	require.NoError(t, iotest.TestReader(io.NewSectionReader(j, 0, j.Size()), []byte("head 456789")),
		"the first one is what it was")
}

func TestBroken(t *testing.T) {
	b := &mailbody.Broken{Length: 3, Err: errors.New("gone")}
	require.EqualValues(t, 3, b.Size())
	require.ErrorIs(t, mailbody.ReadFull(b, make([]byte, 3), 0), b.Err)
	_, err := mailbody.Header(b, 100)
	require.ErrorIs(t, err, b.Err)
	require.ErrorIs(t, mailbody.ReadFull(strings.NewReader("ab"), make([]byte, 3), 0), io.ErrUnexpectedEOF)
}

package mbox_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/mbox"
)

func read(r *mbox.Reader) (mails []string, errs []error) {
	for {
		mail, err := r.Next()
		switch {
		case err == io.EOF:
			return mails, errs
		case err != nil:
			errs = append(errs, err)
			if !errors.Is(err, mbox.ErrTooLarge) {
				return mails, errs
			}
		default:
			mails = append(mails, string(mail))
		}
	}
}

func TestReader(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"one mail", "A: b\r\n\r\nFrom here on text\r\n>From x\r\n",
			[]string{"A: b\r\n\r\nFrom here on text\r\n>From x\r\n"}},
		{"one mail without end of line", "A: b\n\ntext", []string{"A: b\n\ntext"}},
		{"a mailbox", "From a@b Mon\nA: 1\n\none\n\nFrom c@d Tue\nA: 2\n\ntwo\n>From us\n>>From them\n> From\n\n",
			[]string{"A: 1\n\none\n", "A: 2\n\ntwo\nFrom us\n>From them\n> From\n"}},
		{"CRLF", "From a@b Mon\r\nA: 1\r\n\r\none\r\n\r\nFrom c@d Tue\r\nA: 2\r\n",
			[]string{"A: 1\r\n\r\none\r\n", "A: 2\r\n"}},
		{"an empty mail among them", "From a\nFrom b\nA: 2\n", []string{"", "A: 2\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, errs := read(mbox.NewReader(iotest.HalfReader(strings.NewReader(tt.in)), 1000))
			require.Empty(t, errs)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestLargeMailsAreSkipped(t *testing.T) {
	in := "From a\nA: 1\n\nFrom b\n" + strings.Repeat("x", 200<<10) + "\n\nFrom c\nA: 3\n"
	got, errs := read(mbox.NewReader(strings.NewReader(in), 100<<10))
	require.Equal(t, []string{"A: 1\n", "A: 3\n"}, got)
	require.Len(t, errs, 1)
	require.EqualError(t, errs[0], "mail 2: mail is too large: the limit is 102400 bytes")
}

func TestFailingStream(t *testing.T) {
	broken := errors.New("broken")
	got, errs := read(mbox.NewReader(io.MultiReader(strings.NewReader("From a\nA: 1\n"), iotest.ErrReader(broken)), 1000))
	require.Empty(t, got)
	require.ErrorIs(t, errs[0], broken)
}

func FuzzReader(f *testing.F) {
	f.Add("From a\nA: 1\n\n>From\nFrom b\n", 10)
	f.Fuzz(func(t *testing.T, in string, limit int) {
		mails, _ := read(mbox.NewReader(strings.NewReader(in), limit))
		for _, m := range mails {
			require.LessOrEqual(t, len(m), max(limit, 0))
		}
	})
}

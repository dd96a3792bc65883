package mailheader_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/mailheader"
)

func TestLength(t *testing.T) {
	for _, tt := range []struct {
		name, mail string
		want       int
		complete   bool
	}{
		{"empty", "", 0, false},
		{"no header", "\r\nbody", 2, true},
		{"no header, LF", "\nbody", 1, true},
		{"usual", "A: b\r\n\r\nbody\r\n\r\n", 8, true},
		{"LF", "A: b\n\nbody", 6, true},
		{"not yet", "A: b\r\n", 6, false},
		{"not quite", "A: b\r\n\r", 7, false},
		{"line of blanks is no end", "A: b\r\n \r\nC: d\r\n\r\n", 17, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, complete := mailheader.Length([]byte(tt.mail), 0)
			require.Equal(t, tt.want, n)
			require.Equal(t, tt.complete, complete)
		})
	}
}

func TestLengthInPieces(t *testing.T) {
	mail := []byte("A: b\r\n c\r\nD: e\r\n\r\nbody\r\n\r\nmore")
	for step := 1; step < len(mail); step++ {
		from := 0
		for end := step; ; end += step {
			n, complete := mailheader.Length(mail[:min(end, len(mail))], from)
			if complete {
				require.Equal(t, 18, n, "step %d", step)
				break
			}
			require.Less(t, end, 18+step, "step %d went past the end", step)
			from = n
		}
	}
}

func TestScanner(t *testing.T) {
	mail := "Subject: one\r\nX-Fold:  two\r\n\tthree\r\n four  \r\nodd line\r\nSpaced \t: v\r\nEmpty:\r\n: nameless\r\n\r\nBody: no\r\n"
	type field struct{ name, value string }
	var got []field
	s := mailheader.NewScanner([]byte(mail))
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		require.Equal(t, mail[f.Start:f.End], string(f.Raw))
		got = append(got, field{string(f.Name()), string(mailheader.AppendUnfolded(nil, f.Value()))})
	}
	require.Equal(t, []field{
		{"Subject", "one"}, {"X-Fold", "two\tthree four"}, {"", "odd line"}, {"Spaced", "v"}, {"Empty", ""},
		{"", ": nameless"},
	}, got)
	require.Equal(t, "\r\nBody: no\r\n", mail[s.Offset():])
}

func TestFieldNames(t *testing.T) {
	f, ok := mailheader.Find([]byte("A: b\r\nX-MQ-Tag: c\r\n\r\n"), "x-mq-tag")
	require.True(t, ok)
	require.Equal(t, "c", string(f.Value()))
	require.True(t, f.Is("x-mq-tag"))
	require.False(t, f.Is("x-mq-"))
	require.True(t, f.HasPrefix("x-mq-"))
	require.False(t, f.HasPrefix("x-mq-tags"))
	_, ok = mailheader.Find([]byte("A: b\r\n\r\nX-MQ-Tag: in the text\r\n"), "x-mq-tag")
	require.False(t, ok, "fields behind the header are text")
}

func TestHeadless(t *testing.T) {
	for mail, want := range map[string]bool{
		"":                                false,
		"\r\ntext":                        false,
		"A: b\r\n\r\n":                    false,
		"From joe Mon 10:00\r\nA: b\r\n":  false,
		">From joe Mon 10:00\r\nA: b\r\n": false,
		"hello world\r\n":                 true,
		" folded at once: x\r\n":          true,
		"note this: x\r\n":                true,
		"no line end":                     true,
	} {
		require.Equal(t, want, mailheader.Headless([]byte(mail)), "%q", mail)
	}
}

func TestRemove(t *testing.T) {
	drop := func(f mailheader.Field) bool { return f.HasPrefix("x-") }
	for mail, want := range map[string]string{
		"X-A: 1\r\nB: 2\r\nX-C: 3\r\n 4\r\nX-D: 5\r\n\r\nX-Body: stays\r\n": "B: 2\r\n\r\nX-Body: stays\r\n",
		"B: 2\r\n\r\ntext":   "B: 2\r\n\r\ntext",
		"B: 2\r\nX-C: cut":   "B: 2\r\n",
		"X-A: 1\r\n\r\ntext": "\r\ntext",
		"X-A: 1":             "",
	} {
		require.Equal(t, want, string(mailheader.Remove([]byte(mail), drop)))
	}
}

func TestAppendField(t *testing.T) {
	long := strings.Repeat("word ", 40)
	for _, tt := range []struct{ name, value, want string }{
		{"plain", "value", "N: value\r\n"},
		{"trimmed", "  value \t", "N: value\r\n"},
		{"empty", "", "N: \r\n"},
		{"no second field", "a\r\nBcc: b\x00", "N: a  Bcc: b\r\n"},
		{"folded", long, "N: " + strings.TrimSpace(strings.Repeat("word ", 15)) + "\r\n " +
			strings.TrimSpace(strings.Repeat("word ", 15)) + "\r\n " + strings.TrimSpace(strings.Repeat("word ", 10)) + "\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, string(mailheader.AppendField(nil, "N", tt.value)))
		})
	}
	t.Run("endless word", func(t *testing.T) {
		got := mailheader.AppendField(nil, "N", strings.Repeat("x", 5000))
		for line := range bytes.Lines(got) {
			require.LessOrEqual(t, len(line), 1000)
		}
		require.Equal(t, 5000, bytes.Count(got, []byte("x")))
	})
}

func TestScanningAllocatesNothing(t *testing.T) {
	mail := []byte(strings.Repeat("Subject: a value\r\n folded\r\n", 30) + "\r\ntext")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s := mailheader.NewScanner(mail)
		for f, ok := s.Next(); ok; f, ok = s.Next() {
			_ = f.HasPrefix("x-mq-")
		}
	}))
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte("A: b\r\n c\r\nD: e\r\n\r\nbody"), "N", "value")
	f.Add([]byte("\n"), "X", "a\r\nb")
	f.Add([]byte(" x\r\n:\r\nA :\n"), "N", strings.Repeat("y", 1200))
	f.Fuzz(func(t *testing.T, mail []byte, name, value string) {
		length, complete := mailheader.Length(mail, 0)
		s := mailheader.NewScanner(mail)
		pos := 0
		for field, ok := s.Next(); ok; field, ok = s.Next() {
			require.Equal(t, pos, field.Start)
			require.Greater(t, field.End, field.Start)
			field.Value()
			pos = field.End
		}
		require.Equal(t, pos, s.Offset())
		if complete {
			require.Contains(t, []string{"\n", "\r\n"}, string(mail[pos:length]))
		} else {
			require.Equal(t, len(mail), pos)
		}
		written := mailheader.AppendField(nil, "N", value)
		s = mailheader.NewScanner(written)
		only, ok := s.Next()
		require.True(t, ok)
		require.Equal(t, len(written), only.End, "a value must not make a second field: %q", written)
	})
}

func ExampleScanner() {
	mail := []byte("Subject: hello\r\nX-Long: one\r\n two\r\n\r\ntext\r\n")
	s := mailheader.NewScanner(mail)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		fmt.Printf("%s = %s\n", f.Name(), mailheader.AppendUnfolded(nil, f.Value()))
	}
	// Output:
	// Subject = hello
	// X-Long = one two
}

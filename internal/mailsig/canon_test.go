package mailsig

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// canonical is the plain way to say what RFC 6376 §3.4.3 and §3.4.4 ask for.
func canonical(body string, form Form) string {
	lines := strings.Split(strings.ReplaceAll(body, "\r\n", "\n"), "\n")
	if form == Relaxed {
		for i, line := range lines {
			var b strings.Builder
			for _, c := range line {
				if c == '\t' {
					c = ' '
				}
				if c != ' ' || !strings.HasSuffix(b.String(), " ") {
					b.WriteRune(c)
				}
			}
			lines[i] = strings.TrimSuffix(b.String(), " ")
		}
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) == 0 && form == Relaxed {
		return ""
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

// Bodies that arrive in any pieces have the hash of their canonical form, up to any length.
func TestBodyHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SampledFrom([]string{"\r\n", "\n", " ", "\t", "a", "bc", "\r", "\r\r\n", strings.Repeat("x", 5000)})
		body := strings.Join(rapid.SliceOfN(words, 0, 30).Draw(t, "body"), "")
		form := rapid.SampledFrom([]Form{Simple, Relaxed}).Draw(t, "form")
		want := canonical(body, form)
		limit := rapid.Int64Range(-1, int64(len(want))).Draw(t, "limit")
		h := newBodyHash(form, limit)
		for rest := body; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			h.write([]byte(rest[:n]))
			rest = rest[n:]
		}
		h.finish()
		require.Equal(t, int64(len(want)), h.total)
		if limit >= 0 {
			want = want[:limit]
		}
		sum := sha256.Sum256([]byte(want))
		require.Equal(t, sum[:], h.final[:], "%q", want)
	})
}

func TestFieldForms(t *testing.T) {
	for _, c := range []struct{ raw, simple, relaxed string }{
		{"A: X\r\n", "A: X\r\n", "a:X\r\n"},
		{"B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
		{"C:\n", "C:\r\n", "c:\r\n"},
		{"D: e", "D: e\r\n", "d:e\r\n"},
		{"E: f\n g\r\n", "E: f\r\n g\r\n", "e:f g\r\n"},
	} {
		require.Equal(t, c.simple, string(appendField(nil, []byte(c.raw), Simple)))
		require.Equal(t, c.relaxed, string(appendField(nil, []byte(c.raw), Relaxed)))
	}
}

package smtpout

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzDSNParameters writes ENVID and ORCPT of any properties: one word of ASCII each, within its limit, that says what
// the property says, or none.
func FuzzDSNParameters(f *testing.F) {
	for _, in := range []string{"jo@example.org", "rfc822;a+b=c@x", "utf-8;jö@bücher.test", "jö@x", "X 1;a b", ";", "\xff@x",
		"a\r\nRCPT TO:<x@y>", strings.Repeat("+", 200), "utf-8;\\x{41}"} {
		f.Add(in, in)
	}
	f.Fuzz(func(t *testing.T, id, orcpt string) {
		if word := parameter(t, appendEnvID(nil, id), " ENVID=", 100); word != "" {
			require.Equal(t, id, decoded(t, word, "+", ""))
		}
		word := parameter(t, appendORcpt(nil, orcpt), " ORCPT=", 500)
		kind, address, _ := strings.Cut(word, ";")
		switch {
		case word == "":
		case strings.EqualFold(kind, "utf-8"):
			require.True(t, strings.HasSuffix(strings.ToValidUTF8(orcpt, "\ufffd"), decoded(t, address, `\x{`, "}")) ||
				!utf8.ValidString(orcpt))
		default:
			require.True(t, strings.HasSuffix(orcpt, decoded(t, address, "+", "")), word)
		}
	})
}

// parameter returns the value of a parameter; "": it was left out.
func parameter(t *testing.T, written []byte, name string, most int) string {
	value, found := strings.CutPrefix(string(written), name)
	if !found {
		require.Empty(t, written)
		return ""
	}
	require.NotEmpty(t, value)
	require.LessOrEqual(t, len(value), most)
	for i := range len(value) {
		require.True(t, value[i] > ' ' && value[i] <= '~' && value[i] != '=', value)
	}
	return value
}

// decoded reads characters that are written in hexadecimal: two digits behind begin, or what is between begin and end.
func decoded(t *testing.T, text, begin, end string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, begin)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		digits := rest[:min(2, len(rest))]
		if end != "" {
			digits, _, _ = strings.Cut(rest, end)
		}
		text = rest[len(digits)+len(end):]
		n, err := strconv.ParseUint(digits, 16, 32)
		require.NoError(t, err)
		if end == "" {
			b.WriteByte(byte(n))
		} else {
			b.WriteRune(rune(n))
		}
	}
}

package clamd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAnswer gives anything to what reads answers. Only the very words may mean that a mail is clean.
func FuzzAnswer(f *testing.F) {
	f.Add("stream: OK\x00")
	f.Add("stream: Eicar FOUND\x00")
	f.Add("INSTREAM size limit exceeded. ERROR\x00")
	f.Add("ClamAV 1.4.3/27500/Fri Jan  2 10:35:22 2026\x00")
	f.Fuzz(func(t *testing.T, text string) {
		line, err := readLine(strings.NewReader(text))
		if err != nil {
			return
		}
		if v, err := parseVersion(line); err == nil {
			require.True(t, strings.HasPrefix(v.engine, "ClamAV "))
		}
		a, err := parseAnswer(line)
		if err != nil {
			return
		}
		require.Equal(t, a.kind == clean, strings.TrimRight(line, "\r\n") == "stream: OK")
		require.Equal(t, a.kind == found || a.kind == failed && a.text != "", a.text != "")
		require.LessOrEqual(t, len(a.text), 203)
	})
}

package spamd

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzReply gives anything to the reader of answers, and checks that a verdict that comes of it can be written down.
func FuzzReply(f *testing.F) {
	f.Add("SPAMD/1.1 0 EX_OK\r\nContent-length: 3\r\nSpam: False ; -1.25 / 5.0\r\n\r\nA,B")
	f.Add("SPAMD/1.1 75 EX_TEMPFAIL\r\n\r\n")
	f.Add("SPAMD/1.1 0 EX_OK\r\n\r\nX-Spam-Checker-Version: SpamAssassin 4.0.1 (2024-03-26) on h\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := readReply(strings.NewReader(text))
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.LessOrEqual(t, len(r.version()), 103)
		score, err := r.score()
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.True(t, json.Valid(result(score).JSON))
		require.LessOrEqual(t, len(score.Symbols), maxSymbols)
	})
}

package when

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "3 hours": 3 * time.Hour, " 1 Hour ": time.Hour,
		"5 min": 5 * time.Minute,
		"2d":    48 * time.Hour, "2 days": 48 * time.Hour,
		"1 week": 168 * time.Hour, "1w": 168 * time.Hour, "10 secs": 10 * time.Second,
	} {
		got, err := Span(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "0", "3", "h", "-3h", "0s", "3 fortnights", "99999999d",
		"4294967295w", "3hours ago later"} {
		_, err := Span(text)
		require.ErrorContains(t, err, "expected a span", text)
	}
}

package ctl

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBefore(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for text, want := range map[string]string{"3h": "989200", "90s ago": "999910", "2d": "827200",
		"2026-01-02 03:04:05": "2026-01-02 03:04:05", "1767225600": "1767225600",
		"": "", "0": "0", "-3h": "-3h", "-2d": "-2d", "nonsense": "nonsense", "99999999d": "99999999d"} {
		require.Equal(t, want, before(text, now), text)
	}
}

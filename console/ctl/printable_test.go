package ctl

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"waits: “Büro” allows 600 messages a minute": "waits: “Büro” allows 600 messages a minute",
		"a\x1b[2J\r\nb":          "a?[2J??b",
		"moc\u202egro":           "moc?gro",
		"\xff":                   "?",
		strings.Repeat("ü", 201): strings.Repeat("ü", 200) + "…",
	} {
		require.Equal(t, want, printable(text))
	}
}

package addr_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/addr"
)

func TestAppendEmbedded(t *testing.T) {
	for address, want := range map[string]string{
		"":                  "",
		"jo@example.org":    "jo@example.org",
		"jö@bücher.test":    `j\x{F6}@b\x{FC}cher.test`,
		"a+b=c\\d e@x":      `a\x{2B}b\x{3D}c\x{5C}d\x{20}e@x`,
		"阿@例.test":          `\x{963F}@\x{4F8B}.test`,
		"😀@x\U0010FFFF\x01": `\x{1F600}@x\x{10FFFF}\x{01}`,
		"\xff@x":            `\x{FFFD}@x`,
	} {
		require.Equal(t, want, string(addr.AppendEmbedded(nil, address)))
	}
}

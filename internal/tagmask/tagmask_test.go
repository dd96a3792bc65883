package tagmask

import (
	"html"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAround(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"a < b":                         "a &lt; b",
		"Dear {$name}, <3":              "Dear {$name}, &lt;3",
		`{$name|default:"you & me"}&`:   `{$name|default:"you & me"}&amp;`,
		`{if $a > "}"}x{else}"{/if}`:    `{if $a > "}"}x{else}&#34;{/if}`,
		`{foreach $a in $b}<{/foreach}`: `{foreach $a in $b}&lt;{/foreach}`,
		`{a<b} {} { $x<y } {$} {iffy<}`: `{a&lt;b} {} { $x&lt;y } {$} {iffy&lt;}`,
		"{$never closed <":              "{$never closed &lt;",
		"{{$a}<":                        "{{$a}&lt;",
		"\uE0000\uE001 {$a}":            "\uFFFD0\uFFFD {$a}",
		`{$a|default:"\"}<"}<`:          `{$a|default:"\"}<"}&lt;`,
	} {
		require.Equal(t, want, Around(text, html.EscapeString), text)
		require.Equal(t, want, Between(text, html.EscapeString), text)
	}
}

func TestTokensMayBeLostAndCopied(t *testing.T) {
	masked, tags := Mask("{$a}{$b}")
	require.True(t, Masked(masked))
	require.Equal(t, "{$b}{$b}{$a}", tags.Restore(strings.Repeat(token(1), 2)+token(0)))
	require.Equal(t, "", tags.Restore(token(7)+"\uE000"))
}

func FuzzMask(f *testing.F) {
	f.Add(`{$a|b:"}"}{if $x}`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\uE000\uE001") {
			return
		}
		masked, tags := Mask(text)
		require.Equal(t, text, tags.Restore(masked))
	})
}

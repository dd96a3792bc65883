package template

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLimits has templates that loop, grow and eat memory. Each ends soon with an error that says why, and has taken
// little memory until then.
func TestLimits(t *testing.T) {
	thousand := `{"a": [` + strings.Repeat("0,", 999) + `0], "s": "x", "dot": ".", "many": "` +
		strings.Repeat("a\\n", 100_000) + `"}`
	grown := "{assign $s to $v}{foreach $i in $a|range:0:30}{assign $v|cat:$v to $v}{/foreach}"
	for _, c := range []struct{ name, text, want string }{
		{"loops in loops", strings.Repeat("{foreach $i in $a}", 5) + "x" + strings.Repeat("{/foreach}", 5),
			"more than 100000 steps"},
		{"empty loops in loops", strings.Repeat("{foreach $i in $a}", 5) + strings.Repeat("{/foreach}", 5),
			"more than 100000 steps"},
		{"a text that doubles", grown, "a value is longer than 16 MiB"},
		{"output", "{foreach $i in $a}{$many}{/foreach}", "it prints more than 16 MiB"},
		{"text that is printed often", "{foreach $i in $a}" + strings.Repeat("0123456789", 5000) + "{/foreach}",
			"it prints more than 16 MiB"},
		{"indent", "{$many|indent:2000000000:'xxxxxxxxxx'}", "a value is longer"},
		{"indent of many lines", "{$many|indent:2000}", "a value is longer"},
		{"spacify", "{$many|spacify:$many}", "a value is longer"},
		{"replace", "{$many|replace:'a':$many}", "a value is longer"},
		{"nl2br over and over", "{$many" + strings.Repeat("|replace:'a':'aaaaaaaaaa'", 10) + "}", "a value is longer"},
		{"regex_replace", `{$many|regex_replace:"a":$many}`, "a value is longer"},
		{"regex_replace by what was found", `{$many|regex_replace:"(?s)^.*$":"` + strings.Repeat("$0", 5000) + `"}`,
			"a value is longer"},
		{"regex_replace of all", `{$many|cat:$many|regex_replace:"":"x"}`, "more than 100000 steps"},
		{"truncate", "{$many|truncate:100:$many|cat:$many|indent:100:$many}", "a value is longer"},
		{"escape", "{foreach $i in $a}{$many|escape:'url'|escape:'url'|md5}{/foreach}", "more than 100000 steps"},
		{"hashes", "{foreach $i in $a}{assign $many|sha512 to $h}{/foreach}", "more than 100000 steps"},
		{"comparisons", "{foreach $i in $a}{if $many == $many}{/if}{if $many == $many}{/if}{if $a == $a}{/if}{/foreach}",
			"more than 100000 steps"},
		{"patterns of data", "{foreach $a as $k => $i}{if 'x' =~ $k|cat:'x'}{/if}{/foreach}",
			"more than 32 different regular expressions"},
		{"a pattern of data that cannot be used", "{if 'x' =~ $dot|cat:'('}{/if}", "a regular expression cannot be used"},
		{"a large pattern of data", "{if 'x' =~ $dot|cat:'{1000}.{1000}.{1000}.{1000}.{1000}.{1000}'}{/if}",
			"a regular expression repeats too much"},
		{"a long pattern of data", "{if 'x' =~ $many}{/if}", "a regular expression is longer than 1000 bytes"},
		{"a slow pattern", "{foreach $i in $a}{if $many =~ '(.*)*(.*)*x{0,100}$y'}{/if}{/foreach}", "more than 100000 steps"},
		{"long sums", "{" + strings.Repeat("1+", 8000) + "1}" + strings.Repeat("{"+strings.Repeat("1+", 8000)+"1}", 20),
			"more than 100000 steps"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := render(t, c.text, thousand)
			runtime.ReadMemStats(&after)
			require.ErrorContains(t, err, c.want)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(400<<20), "bytes allocated")
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Positive(t, e.Line)
		})
	}
}

func TestDataOfEveryShape(t *testing.T) {
	for _, bad := range []string{``, `[]`, `"x"`, `7`, `null`, `{"a":`, `{"a":1}x`, "{\"a\":\"\x01\"}"} {
		_, err := ParseData([]byte(bad))
		require.ErrorContains(t, err, "data: expected", bad)
	}
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	_, err := ParseData([]byte(deep(900)))
	require.NoError(t, err)
	_, err = ParseData([]byte(deep(2000)))
	require.ErrorContains(t, err, "data: at most 1000 levels")
	_, err = ParseData([]byte(deep(100_000)))
	require.Error(t, err)

	got, err := render(t, "{$a}|{$b}|{$c.d}|{$e[0][1]}|{$f}|{$g}|{foreach $h as $k => $v}{$k}{/foreach}|{$dup}",
		" { \"a\" : \"\\u00e9\\n\\\"\\ud83d\\ude00\\ud800\" , \"b\" : -1.5e3 ,\"c\":{ \"d\" : \"\" },\"e\":[ [ 1 , 2 ] ] , \"f\":\"\xff\", \"g\": 1e999, \"h\":{},\"dup\":1,\"dup\":2 } ")
	require.NoError(t, err)
	require.Equal(t, "é\n\"😀\uFFFD|-1.5e3||2|\uFFFD|1e999||2", got)
}

func TestLargeData(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"first": "` + strings.Repeat("x", 10<<20) + `"`)
	for i := range 20_000 {
		b.WriteString(`, "name-` + strconv.Itoa(i) + `": ` + strconv.Itoa(i))
	}
	b.WriteString(`, "name_7": "underscore"}`)
	got, err := render(t, "{$first|strlen} {$name_19999} {$name_7} {$name_20000}", b.String())
	require.NoError(t, err)
	require.Equal(t, "10485760 19999 7 ", got)
}

func TestPredefinedValues(t *testing.T) {
	data, err := ParseData([]byte(`{"recipient": "theirs"}`))
	require.NoError(t, err)
	data.Set("recipient", "john@example.com")
	compiled, err := Compile("{$recipient}")
	require.NoError(t, err)
	out, err := compiled.Append(nil, data)
	require.NoError(t, err)
	require.Equal(t, "john@example.com", string(out))
	out, err = compiled.Append(nil, nil)
	require.NoError(t, err)
	require.Empty(t, out)
}

// TestCutAnywhere cuts a template at each place: it is an error or prints something, and never panics.
func TestCutAnywhere(t *testing.T) {
	whole := `<style>a { b }</style>{if $name|truncate:10:"..." == 'x' AND not ($a.b[1] + 2) >= 3}{$x}{elseif $y =~ "a\"b"}{foreach $l as $k => $v}{$v|escape}{foreachelse}{literal}{{/literal}{/foreach}{assign 1 to $z}{else}{ldelim}{/if}ä`
	for i := range len(whole) {
		_, _ = render(t, whole[:i], customer)
		_, _ = render(t, whole[i:], customer)
	}
}

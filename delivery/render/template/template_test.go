package template

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// render runs a template with JSON.
func render(t testing.TB, text, data string) (string, error) {
	t.Helper()
	compiled, err := Compile(text)
	if err != nil {
		return "", err
	}
	parsed, err := ParseData([]byte(data))
	require.NoError(t, err)
	out, err := compiled.Append([]byte("> "), parsed)
	require.Equal(t, "> ", string(out[:2]), "what was there before stays")
	return string(out[2:]), err
}

// customer is data as a shop would have it.
const customer = `{
	"name": "John Doe", "city": "", "age": 33, "price": 10.50, "vip": true, "off": false, "nothing": null, "zero": 0,
	"total-price": 10, "plain_name": "underscored", "both-names": "dash", "both_names": "underscore",
	"children": ["Peter", "Angela", "Brandon"], "none": [], "empty": {},
	"foo": {"bar": [{"baz": 1}, {"baz": "two"}], "ship-to": {"post-code": "1011 AC"}},
	"sizes": {"large": "L", "small": "S", "10": "ten"},
	"team": [{"name": "Ronaldo", "price": 3}, {"name": "Messi", "price": 20}, {"name": "Ibrahimovic", "price": 5}],
	"text": "Hi Bob, hi & bye\nsecond <line>", "digits": "0123456789", "number": "12.5", "word": "Zürich", "big": 12345678901234567890
}`

func TestConstructs(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"text alone", "no tags, a } is text", "no tags, a } is text"},
		{"a variable", "Hi {$name}, you are {$age}", "Hi John Doe, you are 33"},
		{"numbers as they came", "{$price} {$big} {$zero}", "10.50 12345678901234567890 0"},
		{"true and false", "{$vip} {$off}", "true false"},
		{"what is missing", "[{$unknown}{$nothing}{$foo.no.such}{$children[7]}{$children[-1]}{$name.x}{$name[0]}]", "[]"},
		{"case matters", "[{$Name}]", "[]"},
		{"lists print nothing", "[{$children}{$foo}]", "[]"},
		{"an element", "{$children[1]}{$children[0]}", "AngelaPeter"},
		{"members", "{$foo.bar[0].baz} {$foo.bar[1].baz} {$foo.ship_to.post_code}", "1 two 1011 AC"},
		{"a member by position", "{$sizes[1]}{$sizes[0]}{$sizes[9]}", "SL"},
		{"a member by name", `{$sizes["large"]}{$foo["ship-to"].post_code}`, "L1011 AC"},
		{"an index that is calculated", "{$children[$zero + 1]}", "Angela"},
		{"dashes in the JSON", "{$total_price} {$plain_name} {$both_names}", "10 underscored dash"},
		{"white space in a tag", "{ $name }{\n$age\n}", "John Doe33"},

		{"sums", "{$age + 10} {$age - 40} {$age * 2} {$age / 2} {$age % 4}", "43 -7 66 16.5 1"},
		{"rules of arithmetic", "{1 + 2 * 3} {(1 + 2) * 3} {-1+3-2*10} {10 - 2 - 3} {-(2)}", "7 9 -18 5 -2"},
		{"fractions", "{0.1 + 0.2} {$price * 2} {10 / 4} {10 / 5}", "0.3 21 2.5 2"},
		{"no number is zero", `{$name + 1} {$unknown * 5} {$children + 2} {"10" + "text"} {$number + 1}`, "1 0 2 10 13.5"},
		{"division by zero", "{1 / 0} {1 % 0} {1.5 / 0} {1.5 % 0}", "0 0 0 0"},
		{"large numbers", "{9223372036854775807 + 1} {9223372036854775807 * 2} {5000000000 * 2}",
			"9223372036854780000 18446744073709600000 10000000000"},

		{"if", "{if $name == 'John Doe'}yes{/if}{if $name == 'x'}no{/if}", "yes"},
		{"elseif and else", `{if $age < 18}child{elseif $age < 65}adult{else}old{/if}`, "adult"},
		{"else", "{if $city == ''}Dear subscriber{else}Dear {$city}{/if}", "Dear subscriber"},
		{"comparisons",
			"{if 1 < 2}a{/if}{if 2 <= 2}b{/if}{if 3 > 2}c{/if}{if 2 >= 3}d{/if}{if 1 != 2}e{/if}{if 'a' < 'b'}f{/if}", "abcef"},
		{"numbers and their texts",
			"{if $number == 12.5}a{/if}{if '10' > 9}b{/if}{if '01' == '1'}c{/if}{if 'abc' == 0}d{/if}", "ab"},
		{"what is missing is empty and zero",
			"{if $unknown == ''}a{/if}{if $unknown == 0}b{/if}{if $unknown < 1}c{/if}{if $x == $y}d{/if}{if $name == $x}e{/if}",
			"abcd"},
		{"what is false",
			"{if $city}a{/if}{if $zero}b{/if}{if $unknown}c{/if}{if $none}d{/if}{if $off}e{/if}{if $nothing}f{/if}{if $empty}g{/if}{if '0'}h{/if}{if 0.0}i{/if}", ""},
		{"what is true",
			"{if $name}a{/if}{if $age}b{/if}{if $children}c{/if}{if $vip}d{/if}{if $foo}e{/if}{if true}f{/if}{if -1}g{/if}",
			"abcdefg"},
		{"true compared", "{if $vip == true}a{/if}{if $off == false}b{/if}{if $name == true}c{/if}", "abc"},
		{"lists compared",
			"{if $children == $children}a{/if}{if $children == $none}b{/if}{if $children < 3}c{/if}{if $foo != $sizes}d{/if}",
			"ad"},
		{"and, or, not",
			"{if $age > 18 AND $age < 65}a{/if}{if $city or $name}b{/if}{if not $city}c{/if}{if NOT $vip OR $off}d{/if}", "abc"},
		{"and before or", "{if true or true and false}a{/if}{if (true or true) and false}b{/if}", "a"},
		{"not takes the comparison", "{if not $age == 34}a{/if}", "a"},
		{"regular expressions",
			`{if $name =~ "^J.*e$"}a{/if}{if $digits =~ '\d{10}'}b{/if}{if $name =~ "xyz"}c{/if}{if $word =~ "(?i)ZÜ"}d{/if}{if $children =~ "a"}e{/if}`, "abd"},
		{"quotes in quotes", `{if 'it"s' == "it\"s"}a{/if}{if "it's" == 'it\'s'}b{/if}{$name|cat:" \\ \n}"}`,
			"abJohn Doe \\ \n}"},

		{"foreach", "{foreach $c in $children}{$c}\n{/foreach}", "Peter\nAngela\nBrandon\n"},
		{"foreach as", "{foreach $children as $c}{$c},{/foreach}", "Peter,Angela,Brandon,"},
		{"keys, in the order of the JSON", "{foreach $sizes as $k => $v}{$k}={$v} {/foreach}", "large=L small=S 10=ten "},
		{"keys of a list", "{foreach $children as $k => $v}{$k}{$v|substr:0:1}{/foreach}", "0P1A2B"},
		{"values of an object", "{foreach $v in $sizes}{$v}{/foreach}", "LSten"},
		{"foreachelse",
			"{foreach $x in $none}a{foreachelse}b{/foreach}{foreach $x in $name}a{foreachelse}c{/foreach}{foreach $x in $children}{foreachelse}d{/foreach}", "bc"},
		{"loops in loops", "{foreach $x in $foo.bar}{foreach $y in $children}{$x.baz}{$y|substr:0:1} {/foreach}{/foreach}",
			"1P 1A 1B twoP twoA twoB "},
		{"a modified list", "{foreach $c in $children|range:1}{$c} {/foreach}", "Angela Brandon "},
		{"its variables end with it", "{foreach $name in $children}{$name} {/foreach}{$name}",
			"Peter Angela Brandon John Doe"},

		{"assign", "{assign $age + 1 to $next}{$next}{assign 'x' to $age}{$age}", "34x"},
		{"assigned in a loop, seen after it",
			"{foreach $p in $team}{assign $total + $p.price to $total}{if $p.price > $top.price}{assign $p to $top}{/if}{/foreach}{$top.name} {$total}", "Messi 28"},

		{"delimiters", "{ldelim}$name{rdelim}", "{$name}"},
		{"literal", "{literal}{$name} {if}{/literal}{$age}", "{$name} {if}33"},
		{"style sheets", "<style>\nh1 { color: red }\np {\n}\nb{color:red}</style><p style=\"x\">{$age}",
			"<style>\nh1 { color: red }\np {\n}\nb{color:red}</style><p style=\"x\">33"},
		{"variables in style sheets", "<STYLE type='a'>h1 { color: {$city|default:'red'} }{if $vip}b { }{/if}</STYLE>",
			"<STYLE type='a'>h1 { color: red }b { }</STYLE>"},
		{"scripts", "<script>if (a) { f() }; x={a:1}</script>", "<script>if (a) { f() }; x={a:1}</script>"},
		{"predefined", "{$recipient}", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := render(t, c.text, customer)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestModifiers(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"{$name|base64_encode} {$children|base64_encode}", "Sm9obiBEb2U= "},
		{`{"dGVzdA=="|base64_decode} {"dGVz dA"|base64_decode} [{"%%"|base64_decode}] {"/w=="|base64_decode}`,
			"test test [] \uFFFD"},
		{`{$name|cat:"!"} {$children|cat:"only this"} {$unknown|cat:$age}`, "John Doe! only this 33"},
		{"{$children|count} {$sizes|count} {$name|count} {$unknown|count} {$none|count}", "3 3 0 0 0"},
		{"{$name|count_characters} {$word|count_characters} {$children|count_characters}", "8 6 0"},
		{`{$text|count_paragraphs} {$name|count_paragraphs} {"a\r\nb\nc"|count_paragraphs} {$children|count_paragraphs}`,
			"1 0 2 0"},
		{`{$text|count_words} {$name|count_words} {"a - b"|count_words} {$children|count_words}`, "6 2 2 0"},
		{`{$unknown|default:"something"} {$city|default:"empty"} {$name|default:"x"} {$none|default:"none"} {$unknown|default:$age} [{$x|default}] {$zero|default:5}`,
			"something empty John Doe none 33 [] 0"},
		{"{if $city|empty}a{/if}{if $name|empty}b{/if}{if $unknown|empty}c{/if}{if $none|empty}d{/if}{if $zero|empty}e{/if} {$name|empty}", "acd false"},
		{`{$text|escape} {"a'b\"c"|escape:"html"}`, "Hi Bob, hi &amp; bye\nsecond &lt;line&gt; a&#39;b&#34;c"},
		{`{$name|escape:"url"} {$name|escape:"base64"} {$name|escape:"unknown"} {"ü&/?"|escape:'URL'}`,
			"John%20Doe Sm9obiBEb2U= John Doe %C3%BC%26%2F%3F"},
		{"{foreach $x in $children|escape}{$x}{/foreach}", "PeterAngelaBrandon"},
		{`{$text|indent} | {$text|indent:4:"."} | {$name|indent:0} | {$name|indent:-3}`,
			" Hi Bob, hi & bye\n second <line> | ....Hi Bob, hi & bye\n....second <line> | John Doe | John Doe"},
		{`{"Test string"|md5}`, "0fd3dbec9730101bff92acc820befc34"},
		{`{"Test string"|sha1}`, "18af819125b70879d36378431c4e8d9bfa6a2599"},
		{`{"Test string"|sha256}`, "a3e49d843df13c2e2a7786f6ecd7e0d184f45d718d1ac1a8a63e570466e489dd"},
		{`{"Test string"|sha512|truncate:16:"":true}`, "811aa0c53c0039b6"},
		{`{if $children|md5 == "PeterAngelaBrandon"|md5}a{/if}{if $sizes|sha1 == "LSten"|sha1}b{/if}`, "ab"},
		{`{$text|nl2br} {"a\r\nb\rc"|nl2br}`, "Hi Bob, hi & bye<br />second <line> a<br />b<br />c"},
		{`{foreach $c in $children|range:1:2}{$c}{/foreach} {foreach $c in $children|range:0:99}{$c}{/foreach} {$children|range:2:1|count} {$name|range:1:2} {$children|range|count} {foreach $sizes|range:1 as $k => $v}{$k}{/foreach}`,
			"Angela PeterAngelaBrandon 0 John Doe 3 small10"},
		{`{"a1b22"|regex_replace:"\d":" a number "}`, "a a number b a number  a number "},
		{`{"Quick brown fox"|regex_replace:"a|e|i|o|u":"[$&]"} {"ab"|regex_replace:"(a)(b)":"$2\1 $10 $3"} {"ab"|regex_replace:"x*":"-"} {$name|regex_replace:"J"}`,
			"Q[u][i]ck br[o]wn f[o]x ba a0 $3 -a-b- John Doe"},
		{`{$text|replace:"hi":"hello"} {$name|replace:"":"x"} {$name|replace:"o"} {"a\nb"|replace:"\n":"<br>"}`,
			"Hi Bob, hello & bye\nsecond <line> John Doe Jhn De a<br>b"},
		{`{"abc"|spacify} {"äöü"|spacify:"^^"} [{""|spacify}]`, "a b c ä^^ö^^ü []"},
		{"{$name|strlen} {$word|strlen} {$age|strlen} {$children|strlen} {$unknown|strlen}", "8 6 2 0 0"},
		{`{"Hello world!"|strstr:" ":true},{"Hello world!"|strstr:"w":false},{"Hello world!"|strstr:"w"},{"Hello"|strstr:"x"},{"Hello"|strstr:"x":true}`, "Hello,world!,world!,,"},
		{"{$digits|substr:2} {$digits|substr:4:3} {$digits|substr:20} {$digits|substr:8:5} {$word|substr:1:2} {$digits|substr:-2:3}", "23456789 456  89 ür 012"},
		{"{$word|tolower} {$word|toupper} {$children|toupper}", "zürich ZÜRICH "},
		{`{"  \tx y\r\n "|trim}|{"--x-"|trim:"-"}`, "x y|x"},
		{`{"This is just a simple test sentence."|truncate}`, "This is just a simple test sentence."},
		{`{"This is just a simple test sentence."|truncate:13}`, "This is..."},
		{`{"This is just a simple test sentence."|truncate:13:""}`, "This is just"},
		{`{"This is just a simple test sentence."|truncate:13:"...":true}`, "This is ju..."},
		{`{"aaaaaaaaaa"|truncate:5} {"ää öö üü"|truncate:6:"…"} {$name|truncate:0} {$name|truncate:8} {$name|truncate:2:"....":true}`, "aa... ää öö…  John Doe ...."},
		{`{"sir"|ucfirst} {"élan"|ucfirst} [{""|ucfirst}]`, "Sir Élan []"},
		{`{"foo&bar=some/value ü"|urlencode} {"foo%26bar%3Dsome%2Fvalue+%zz%4"|urldecode} {"%ff"|urldecode}`,
			"foo%26bar%3Dsome%2Fvalue%20%C3%BC foo&bar=some/value %zz%4 \uFFFD"},
		{"{$name|tolower|ucfirst|cat:'.'|strlen}", "9"},
		{"{$name|no_such:1:'x'|toupper}", "JOHN DOE"},
		{"{$age|toupper} {$price|cat:''} {$vip|cat:'!'} {$age + $name|strlen}", "33 10.50 true! 41"},
	} {
		got, err := render(t, c.text, customer)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got, c.text)
	}
}

func TestUnknownModifiersAreKnown(t *testing.T) {
	compiled, err := Compile("{$a|no_such}{$b|toupper|other:1}")
	require.NoError(t, err)
	require.Equal(t, []string{"no_such", "other"}, compiled.Unknown())
}

func TestPlain(t *testing.T) {
	for text, plain := range map[string]bool{"": true, "a } b": true, "a{$x}": false, "{ldelim}": false,
		"{literal}a{/literal}":   false,
		"<style>a { b }</style>": true} {
		compiled, err := Compile(text)
		require.NoError(t, err)
		require.Equal(t, plain, compiled.Plain(), text)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"ä\nhallo {$}", `line 2, column 7: {$}: expected the name of a variable after $: it begins with a letter`},
		{"{$_x}", "line 1, column 1: {$_x}: expected the name of a variable"},
		{"{$1}", "expected the name of a variable"},
		{"{$name", "line 1, column 1: {$name: the tag is not closed"},
		{"a {$x|cat:\"b} c", "line 1, column 3: {$x|cat:\"b}: the tag is not closed"},
		{"{}", "line 1, column 1: {}: expected a variable or a keyword"},
		{"{foo}", "there is no tag of this name; a brace that is text is written {ldelim}"},
		{"b{color:red}", "line 1, column 2: {color:red}: there is no tag of this name"},
		{"{/if}", "line 1, column 1: {/if}: there is nothing that it belongs to"},
		{"\n\n {if $x}a", "line 3, column 2: {if $x}: expected {/if} after it"},
		{"{if $x}{foreach $a in $b}{/if}",
			"line 1, column 8: {foreach $a in $b}: expected {/foreach} after it, got {/if} in line 1"},
		{"{if $x}{/foreach}", "{if $x}: expected {/if} after it, got {/foreach} in line 1"},
		{"{if $x}{else}{else}{/if}", "line 1, column 14: {else}: expected {/if}: {else} is the last part"},
		{"{if $x}{else}{elseif $y}{/if}", "expected {/if}: {else} is the last part"},
		{"{foreach $x in $y}{foreachelse}{foreachelse}{/foreach}", "expected {/foreach} after it, got {foreachelse}"},
		{"{if}{/if}", "{if}: expected a value, got the end of the tag"},
		{"{if $a = 1}{/if}", "did not expect \"= 1\""},
		{"{if $a == }{/if}", "expected a value"},
		{"{if $a == 1 == 2}{/if}", "expected the end of the tag, got \"== 2\""},
		{"{if ($a}{/if}", "expected ), got the end of the tag"},
		{"{else x}", "expected the end of the tag"},
		{"{$total-price}", "expected a value, got \"price\""},
		{"{$a|}", "expected the name of a modifier after |"},
		{"{$a|cat:}", "expected a value"},
		{"{$a|substr:-x}", "expected a number after the minus"},
		{"{$a.}", "expected the name of a member after the dot"},
		{"{$a[1}", "expected ]"},
		{"{$a b}", "expected the end of the tag, got \"b\""},
		{"{foreach $a}{/foreach}", "expected $item in $list, or $list as $key => $value"},
		{"{foreach $a in}{/foreach}", "expected a value"},
		{"{foreach $a as b}{/foreach}", "expected a variable"},
		{"{assign 1}", "expected to and a variable"},
		{"{assign 1 to x}", "expected a variable"},
		{"{assign 1 to $x.y}", "expected the end of the tag"},
		{"x {literal} {$a}", "line 1, column 3: {literal}: expected {/literal} after it"},
		{`{if $a =~ "("}{/if}`, "a regular expression cannot be used: missing closing ): `(`"},
		{`{$a|regex_replace:"a{1000}{1000}":""}`, "a regular expression cannot be used"},
		{`{$a|regex_replace:"(abcdefghij){999}":""}`, "a regular expression repeats too much"},
		{`{$a|regex_replace:"` + strings.Repeat("a", 1001) + `":""}`, "a regular expression is longer than 1000 bytes"},
		{"{$a|cat:1:2:3:4:5:6:7:8:9}", "more than 8 arguments"},
		{"{" + strings.Repeat("(", 70) + "1", "not closed"},
		{"{" + strings.Repeat("(", 70) + "1" + strings.Repeat(")", 70) + "}", "nested deeper than 64 levels"},
		{"{" + strings.Repeat("- ", 70) + "1}", "nested deeper than 64 levels"},
		{"{if " + strings.Repeat("not ", 70) + "1}{/if}", "nested deeper than 64 levels"},
		{"{" + strings.Repeat("$a[", 70) + "1" + strings.Repeat("]", 70) + "}", "nested deeper than 64 levels"},
		{strings.Repeat("{if 1}", 70) + strings.Repeat("{/if}", 70), "nested deeper than 64 levels"},
		{"{$a|cat:\"" + strings.Repeat("a", 20000) + "\"}", "the tag is not closed"},
	} {
		_, err := Compile(c.text)
		require.ErrorContains(t, err, c.want, c.text)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Less(t, len(e.Error()), 500)
	}
}

package template

import (
	"errors"
	"testing"
)

func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"Hi {$name|default:\"you\"}", "{if $a > 3 AND not $b}x{elseif $c =~ \"^a\"}y{else}z{/if}",
		"{foreach $team as $k => $v}{$k}{$v.name|truncate:3}{foreachelse}none{/foreach}",
		"{foreach $i in $children}{assign $t + $i to $t}{/foreach}{$t}", "{literal}{{/literal}{ldelim}{rdelim}",
		"<style>a { b }</style>{$x[1].y[-2]}", "{$text|regex_replace:'(a)':'$1'|indent:2:'x'|spacify|urlencode|sha512}",
		"{\"\\", "{'", "{$a|cat:1:2:3}", "{(((1)))}", "{-9223372036854775807-1}",
	} {
		f.Add(text, customer)
	}
	f.Fuzz(func(t *testing.T, text, data string) {
		compiled, err := Compile(text)
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		values, err := ParseData([]byte(data))
		if err != nil {
			return
		}
		out, err := compiled.Append(nil, values)
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("an error without a place: %v", err)
		}
		if len(out) > MaxOutput+maxTag {
			t.Fatalf("%d bytes", len(out))
		}
		if compiled.Plain() && string(out) != text {
			t.Fatalf("%q is not %q", out, text)
		}
	})
}

package template

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// newsletter is a template of 20 KB with 30 variables, two conditions and a loop of 20, and its data.
func newsletter() (text, data string) {
	var b, d strings.Builder
	d.WriteString(`{"vip": true, "city": "Amsterdam"`)
	paragraph := strings.Repeat("<p style=\"margin:0\">Plenty of text around it, as mails have.</p>\r\n", 8)
	for i := range 30 {
		fmt.Fprintf(&b, "%s<td>{$value_%d|escape}</td>", paragraph, i)
		fmt.Fprintf(&d, `, "value-%d": "what is printed, number %d"`, i, i)
	}
	b.WriteString("{if $vip}<b>VIP</b>{else}no{/if}{if $city == 'Amsterdam' and not $old}near{/if}")
	b.WriteString("{foreach $item in $items}<tr><td>{$item.name}</td><td>{$item.price * 2}</td></tr>{/foreach}")
	d.WriteString(`, "items": [`)
	for i := range 20 {
		fmt.Fprintf(&d, `%s{"name": "product %d", "price": %d.5}`, strings.Repeat(",", min(i, 1)), i, i)
	}
	d.WriteString("]}")
	b.WriteString(strings.Repeat(" ", max(0, 20_000-b.Len())))
	return b.String(), d.String()
}

func BenchmarkNewsletter(b *testing.B) {
	text, raw := newsletter()
	var cache Cache
	source := []byte(text)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		compiled, err := cache.Compile(source)
		require.NoError(b, err)
		data, err := ParseData([]byte(raw))
		require.NoError(b, err)
		_, err = compiled.Append(make([]byte, 0, len(text)*5/4), data)
		require.NoError(b, err)
	}
}

func BenchmarkCompile(b *testing.B) {
	text, _ := newsletter()
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		_, err := Compile(text)
		require.NoError(b, err)
	}
}

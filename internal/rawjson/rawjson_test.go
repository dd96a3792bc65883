package rawjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rawjson"
)

func TestAppendString(t *testing.T) {
	for text, want := range map[string]string{
		"":                         `""`,
		"plain":                    `"plain"`,
		"a \"b\" \\ c/d":           `"a \"b\" \\ c/d"`,
		"\r\n\t\x00\x1f\x7f":       `"\r\n\t\u0000\u001f` + "\x7f\"",
		"é🔑":                       `"é🔑"`,
		"\xff a\xe2\x80 \xe2":      `"` + "\uFFFD a\uFFFD\uFFFD \uFFFD" + `"`,
		"line\u2028and\u2029end":   `"line\u2028and\u2029end"`,
		"<script>&</script>\uFFFD": `"<script>&</script>` + "\uFFFD\"",
	} {
		require.Equal(t, want, string(rawjson.AppendString(nil, text)))
		require.Equal(t, "x"+want, string(rawjson.AppendString([]byte("x"), []byte(text))))
	}
}

// walked writes a value again, made of what the walkers find.
func walked(raw []byte) string {
	raw = rawjson.TrimSpace(raw)
	if len(raw) == 0 {
		return ""
	}
	var b bytes.Buffer
	switch raw[0] {
	case '{':
		b.WriteByte('{')
		rawjson.Members(raw, func(name, v []byte) bool {
			fmt.Fprintf(&b, "%s:%s,", rawjson.AppendString(nil, name), walked(v))
			return true
		})
		return b.String() + "}"
	case '[':
		b.WriteByte('[')
		rawjson.Elements(raw, func(i int, v []byte) bool { fmt.Fprintf(&b, "%d=%s,", i, walked(v)); return true })
		return b.String() + "]"
	case '"':
		return string(rawjson.AppendString(nil, rawjson.Unquote(raw)))
	}
	return string(raw)
}

func TestWalk(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:  `{}`,
		`[ ]`: `[]`,
		"{ \"a\" : 1 ,\r\n\t\"b\":[ true , {\"c\" :null}, \"x,]}\\\"\" ] }": `{"a":1,"b":[0=true,1={"c":null,},2="x,]}\"",],}`,
		`{"a":1,"a":{"\u0062\n":"\ud83d\udd11 \ud83d x \/"}}`:               `{"a":1,"a":{"b\n":"🔑 ` + "\uFFFD" + ` x /",},}`,
		`"only \\"`: `"only \\"`,
		// What is no JSON is less, not wrong, and never too much.
		`{"a":1,}`: `{"a":1,}`, `{"a" 1}`: `{}`, `{"a":`: `{}`, `{a:1}`: `{}`, `[1,,2]`: `[0=1,]`, `["a`: `[0="",]`, `[`: `[]`,
		`{"a":{"b":1`: `{"a":{"b":1,},}`, `"\`: `""`, `"\u12"`: `"` + "\uFFFD" + `12"`,
	} {
		require.Equal(t, want, walked([]byte(text)), text)
	}
}

// TestStop ends a walk when it is told to.
func TestStop(t *testing.T) {
	n := 0
	rawjson.Members([]byte(`{"a":1,"b":2}`), func(_, _ []byte) bool { n++; return false })
	rawjson.Elements([]byte(`[1,2]`), func(int, []byte) bool { n++; return false })
	require.Equal(t, 2, n)
}

// FuzzWalk finds in valid JSON what encoding/json finds, and has no trouble with anything else.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"b\u0000\\\""],"c":{"d":null}}`, ` [ {} , [] , "" ] `, `{"a`, `"\ud83d\u"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = bytes.Trim(raw, " \r\n\t")
		again := walked(raw)
		if !json.Valid(raw) || !utf8.Valid(raw) {
			return
		}
		require.Equal(t, again, walked(rawjson.Compact(raw)))
		var list []json.RawMessage
		if raw[0] == '[' {
			require.NoError(t, json.Unmarshal(raw, &list))
			rawjson.Elements(raw, func(i int, v []byte) bool {
				require.Equal(t, string(list[i]), string(v))
				list[i] = nil
				return true
			})
			for _, left := range list {
				require.Nil(t, left)
			}
		}
		var text string
		if raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
			require.Equal(t, text, rawjson.Unquote(raw))
		}
	})
}

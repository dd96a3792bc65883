package template

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzData holds what is read of data against encoding/json: what is JSON, and what is in it.
func FuzzData(f *testing.F) {
	for _, s := range []string{customer, `{"a":[1,-0,0.5e+3,01,1.,.5,1e,-],"b":{"c":null,"d":true}}`, `{"a" : "\u00e9\ud83d\ude00\x"}`,
		"{\"\xff\":\"\x01\"}", `[{},[],""]`, `{"a":1,}`, `{"a":1 "b":2}`, `{,}`, `[1,,2]`, "\ufeff{}", `{"a":tru}`, `{"a":1}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		data, err := ParseData(raw)
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var want map[string]any
		if !json.Valid(raw) || d.Decode(&want) != nil || want == nil {
			require.ErrorContains(t, err, "data: expected")
			return
		}
		if err != nil {
			require.EqualError(t, err, "data: at most 1000 levels of lists and objects")
			return
		}
		if utf8.Valid(raw) {
			require.Equal(t, want, decoded(&data.root))
		}
	})
}

// decoded is a value as encoding/json has it.
func decoded(v *value) any {
	switch v.kind {
	case boolean:
		return v.i != 0
	case integer, float:
		return json.Number(v.s)
	case text:
		return v.s
	case array:
		list := make([]any, 0)
		for i := range v.node.values {
			list = append(list, decoded(&v.node.values[i]))
		}
		return list
	case object:
		members := make(map[string]any)
		for i, key := range v.node.keys {
			members[key] = decoded(&v.node.values[i])
		}
		return members
	}
	return nil
}

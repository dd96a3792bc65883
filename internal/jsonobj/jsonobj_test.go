package jsonobj_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluicemail/sluice/internal/jsonobj"
	"github.com/stretchr/testify/require"
)

func TestObject(t *testing.T) {
	var o jsonobj.Object
	require.Equal(t, `{}`, string(o.JSON()))
	o.String("a", "x\"\\\n\x00é")
	o.NotEmpty("b", "")
	o.Int("c", -5)
	o.Bool("d", true)
	o.Strings("e", []string{"1", "2"})
	require.Equal(t, `{"a":"x\"\\\u000a\u0000é","c":-5,"d":true,"e":["1","2"]}`, string(o.JSON()))
}

// What is written is what encoding/json reads, whatever the bytes.
func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("\xff\u2028\"\\\x7f")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		require.NoError(t, json.Unmarshal(jsonobj.AppendString(nil, s), &back))
		want := &strings.Builder{}
		for _, r := range s {
			want.WriteRune(r)
		}
		require.Equal(t, want.String(), back)
	})
}

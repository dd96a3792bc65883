package jsontree

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPointers(t *testing.T) {
	n, err := Parse([]byte(`{"a": {"b/c~d": [1, {"x": "y"}, [[true]]]}, "a2": null}`), "/mime")
	require.NoError(t, err)
	list := n.Object("a").Array("b/c~d")
	require.Equal(t, "/mime/a/b~1c~0d/1/x", list[1].Get("x").Pointer())
	require.Equal(t, "/mime/a/b~1c~0d/2/0/0", list[2].Items[0].Items[0].Pointer())
	require.Equal(t, "/mime", n.Pointer())
	require.Nil(t, n.Get("a2"))
	require.NoError(t, n.Err())
	require.Empty(t, list[1].Array("x"))
	require.Empty(t, n.String("a"))
	require.EqualError(t, n.Err(), `/mime/a/b~1c~0d/1/x: expected an array, got "y"`, "the first problem counts")
}

func TestLastOfTwoCounts(t *testing.T) {
	n, err := Parse([]byte(`{"a": 1, "b": 2, "a": {"c": [3]}}`), "")
	require.NoError(t, err)
	require.Len(t, n.Items, 2)
	require.Equal(t, "/a/c/0", n.Object("a").Array("c")[0].Pointer())
}

func TestWrongInput(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for text, want := range map[string]string{
		"":                           "/mime: expected JSON",
		`{"a":`:                      "/mime: expected JSON",
		`{"a":1}}`:                   "/mime: expected one JSON value",
		`{"a":1} x`:                  "/mime: expected one JSON value",
		deep(101):                    "/a/a/a",
		deep(1000):                   "expected at most 100 levels",
		strings.Repeat("[", 100_000): "expected at most 100 levels",
		`["` + "\xff":                "/mime: expected JSON",
	} {
		_, err := Parse([]byte(text), "/mime")
		require.ErrorContains(t, err, want)
		require.Less(t, len(err.Error()), 400)
	}
	_, err := Parse([]byte(deep(100)), "")
	require.NoError(t, err)
	_, err = Parse(bytes.Join([][]byte{[]byte("["), bytes.Repeat([]byte("1,"), 1<<20), []byte("1]")}, nil), "")
	require.ErrorContains(t, err, "at most 1048576 values")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a": [1, {"b": null, "b": "x"}], "a": true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Parse(data, "")
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		var walk func(*Node)
		walk = func(n *Node) {
			require.True(t, n.Pointer() == "" || n.Pointer()[0] == '/')
			for i, child := range n.Items {
				require.Same(t, n, child.parent)
				if n.Kind == Array {
					require.Equal(t, i, child.index)
				}
				walk(child)
			}
		}
		walk(n)
	})
}

package webhook_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor/webhook"
)

const object = `{"recipient":"a@b","connection":{"user":"joe","port":25},"a/b":{"~":1},"tags":["x","y"],` +
	`"results":[{"code":250,"to":"1.2.3.4"},{"code":550,"to":"1.2.3.5","sent":{"data":7}}],"none":null}`

func TestFilter(t *testing.T) {
	for _, test := range []struct {
		pointers string
		keep     bool
		want     string
	}{
		{"", false, object},
		{"results", false,
			`{"recipient":"a@b","connection":{"user":"joe","port":25},"a/b":{"~":1},"tags":["x","y"],"none":null}`},
		{"/results /tags /a~1b /connection /none", false, `{"recipient":"a@b"}`},
		{"results/*/to results/*/sent/data tags/0 a~1b/~0 recipient/deeper connection", false,
			`{"recipient":"a@b","a/b":{},"tags":["y"],"results":[{"code":250},{"code":550,"sent":{}}],"none":null}`},
		{"* results/0", false, `{}`},
		{"recipient", true, `{"recipient":"a@b"}`},
		{"results/*/code recipient/deeper tags", true, `{"tags":["x","y"],"results":[{"code":250},{"code":550}]}`},
		{"results/1/sent results/01 missing", true, `{"results":[{"sent":{"data":7}}]}`},
		{"*/user connection/port", true, `{"connection":{"user":"joe","port":25},"a/b":{},"tags":[],"results":[]}`},
	} {
		f, err := webhook.ParseFilter(strings.Fields(test.pointers), test.keep)
		require.NoError(t, err, test.pointers)
		require.Equal(t, test.want, string(f.Append(nil, []byte(object))), "%s keep=%v", test.pointers, test.keep)
	}
}

func TestFilterThatMakesNoSense(t *testing.T) {
	for pointers, want := range map[string]string{
		"a//b":                    `"a//b": expected a name between the slashes`,
		"/":                       `"/": expected a name between the slashes`,
		"a/~2":                    `"a/~2": expected 0 or 1 behind ~`,
		"a~":                      `"a~": expected 0 or 1 behind ~`,
		strings.Repeat("a/", 100): `at most 64 steps`,
	} {
		_, err := webhook.ParseFilter([]string{"fine", pointers}, false)
		require.ErrorContains(t, err, want)
	}
	_, err := webhook.ParseFilter(nil, true)
	require.ErrorContains(t, err, "leaves nothing")
}

// FuzzFilter has what is left always be JSON, and never of what a black list names.
func FuzzFilter(f *testing.F) {
	for _, p := range []string{"results/*/to", "a~1b/~0", "*", "*/*", "/", "~", "connection results/0"} {
		f.Add(p, object, true)
		f.Add(p, object, false)
	}
	f.Add("a", `{"a":1,"\u0061":2,"b":{"a":[]}}`, false)
	f.Fuzz(func(t *testing.T, pointers, text string, keep bool) {
		filter, err := webhook.ParseFilter(strings.Fields(pointers), keep)
		var all map[string]any
		if err != nil || json.Unmarshal([]byte(text), &all) != nil || all == nil {
			return
		}
		got := filter.Append(nil, []byte(strings.TrimSpace(text)))
		var left map[string]any
		require.NoError(t, json.Unmarshal(got, &left), "%s", got)
		for name := range left {
			require.Contains(t, all, name)
		}
		for _, p := range strings.Fields(pointers) {
			if name := strings.TrimPrefix(p, "/"); !keep && !strings.ContainsAny(name, "/~*") {
				require.NotContains(t, left, name)
			}
		}
	})
}

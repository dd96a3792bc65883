package render_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/render"
	"github.com/sluicemail/sluice/queue"
)

func TestUnsubscribe(t *testing.T) {
	for _, c := range []struct{ property, want, err string }{
		{`"https://example.org/u?id=7"`, "List-Unsubscribe: <https://example.org/u?id=7>\n", ""},
		{`"mailto:out@example.org?subject=out"`, "List-Unsubscribe: <mailto:out@example.org?subject=out>\n", ""},
		{`{"url": "https://example.org/{$id|urlencode}", "mailto": "out@example.org", "one-click": true}`,
			"List-Unsubscribe: <mailto:out@example.org>, <https://example.org/a%2Fb>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n", ""},
		{`{"url": "http://example.org/"}`, "List-Unsubscribe: <http://example.org/>\n", ""},
		{`{"url": "http://example.org/", "one-click": true}`, "", "one-click needs a url that begins with https://"},
		{`{"mailto": "out@example.org", "one-click": true}`, "", "one-click needs a url"},
		{`{}`, "", "expected a url or mailto, or verp to make one"},
		{`""`, "", "expected a url or mailto, or verp to make one"},
		{`7`, "", "expected a URL, or an object"},
		{`{"url": 7}`, "", "expected a URL, or an object"},
		{`{"link": "https://example.org"}`, "", `unknown field "link"`},
		{`"ftp://example.org"`, "", "expected a URL that begins with https: or http:"},
		{`"https://example.org/{$evil}"`, "", "of printable ASCII without spaces"},
		{`"https://example.org/ü"`, "", "of printable ASCII"},
		{`"https://example.org/>,<x"`, "", "without spaces and angle brackets"},
		{`"https:///x"`, "", "expected a URL"},
		{`"https://example.org/{$"`, "", "line 1, column 21"},
	} {
		m := &queue.Message{Unsubscribe: []byte(c.property), Data: []byte(`{"id": "a/b", "evil": "x\r\nBcc: y"}`),
			Body: eml("Subject: x\nLIST-Unsubscribe: <x>\nList-Unsubscribe-Post: x\nX-Last: y\n\nbody")}
		got, err := made(t, new(render.Renderer), m)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, c.property)
			require.ErrorContains(t, err, "list-unsubscribe", c.property)
			continue
		}
		require.NoError(t, err, c.property)
		for line := range strings.Lines(c.want) {
			require.Contains(t, got, line)
		}
		require.Equal(t, strings.Count(c.want, "\n"), strings.Count(strings.ToLower("\n"+got), "\nlist-unsubscribe"))
		require.True(t, strings.HasSuffix(got, "\n\nbody"))
	}
}

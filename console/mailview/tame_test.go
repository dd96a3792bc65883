package mailview_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestManyElements gives HTML that would keep a browser busy for minutes.
func TestManyElements(t *testing.T) {
	v := parse(t, "Content-Type: text/html\r\n\r\n"+strings.Repeat("<b>x", 200_000))
	require.Contains(t, v.Cut, "HTML after the first 20000 elements")
	page := v.Page(false)
	require.LessOrEqual(t, strings.Count(page, "<b>"), 200)
	require.Greater(t, strings.Count(page, "x"), 10_000, "the text within stays")

	v = parse(t, "Content-Type: text/html\r\n\r\n"+strings.Repeat("<div>", 300)+"deep"+strings.Repeat("</div>", 300)+
		"<i>after</i>"+strings.Repeat("<p>paragraph<br>", 1000)+"<u>end</u>")
	page = v.Page(false)
	require.Equal(t, 200, strings.Count(page, "<div>"))
	require.Equal(t, 200, strings.Count(page, "</div>"))
	require.Contains(t, page, "<i>after</i>")
	require.Contains(t, page, "<u>end</u>")
	require.Empty(t, v.Cut)
}

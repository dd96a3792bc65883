package object_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/render/object"
)

var fenced = regexp.MustCompile("(?s)```json\n(.*?)```")

// TestDocumentation makes the mail of every message in docs/making-mail.md that has an object.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../../docs/making-mail.md")
	require.NoError(t, err)
	web := files{"https://example.com/timetable.pdf": {Data: []byte("%PDF"), Type: "application/pdf", Name: "timetable.pdf"}}
	var made int
	for _, example := range fenced.FindAllSubmatch(page, -1) {
		var m struct{ MIME json.RawMessage }
		require.NoError(t, json.Unmarshal(example[1], &m), "%s", example[1])
		if len(m.MIME) == 0 || m.MIME[0] != '{' {
			continue
		}
		made++
		_, p, _ := built(t, string(m.MIME), object.Options{Fetcher: web})
		require.Regexp(t, `alternative\(text/plain text/html\)`, p.shape())
	}
	require.GreaterOrEqual(t, made, 2)
}

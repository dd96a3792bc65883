package mta

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPersonalisationPage makes the mail of each example of docs/personalisation.md.
func TestPersonalisationPage(t *testing.T) {
	page, err := os.ReadFile("../docs/personalisation.md")
	require.NoError(t, err)
	examples := 0
	rest := string(page)
	for {
		_, after, found := strings.Cut(rest, "```json\n")
		if !found {
			break
		}
		message, after, _ := strings.Cut(after, "```")
		_, after, found = strings.Cut(after, "```eml\n")
		require.True(t, found, "an example without its mail")
		want, after, _ := strings.Cut(after, "```")
		got, err := Preview(t.Context(), []byte(message))
		require.NoError(t, err, message)
		require.Equal(t, want, strings.ReplaceAll(string(got), "\r\n", "\n"))
		rest = after
		examples++
	}
	require.Equal(t, 4, examples)
}

func TestPreviewFailures(t *testing.T) {
	for message, want := range map[string]string{
		`{`:                              "not a message",
		`{"recipient": "a@example.com"}`: "mime: expected a mail",
		`{"recipient": "a@example.com", "mime": 7}`:                                                          "mime",
		`{"recipient": "a@example.com", "data": {}, "mime": "Subject: x\n\n{$"}`:                             "line 1, column 1",
		`{"recipient": "a@example.com", "data": 7, "mime": "x: y\n\n"}`:                                      "data",
		`{"recipient": "a@example.com", "headers": {"append": {"a b": "c"}}, "mime": "Subject: x\n\nhello"}`: "headers",
	} {
		_, err := Preview(t.Context(), []byte(message))
		require.ErrorContains(t, err, want, message)
	}
}

package mta

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
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
		got, _, err := Preview(t.Context(), []byte(message), nil)
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
		_, _, err := Preview(t.Context(), []byte(message), nil)
		require.ErrorContains(t, err, want, message)
	}
}

// TestPreviewDownloads goes without what is not asked for, as far as it can, and says without what.
func TestPreviewDownloads(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("the file")) }))
	defer files.Close()
	attached := []byte(`{"recipient": "a@example.com", "mime": {"from": "b@example.org", "text": "x",
		"attachments": [{"url": "` + strings.Replace(files.URL, "//", "//me:secret@", 1) + `/a.txt"}]}}`)
	_, _, err := Preview(t.Context(), attached, nil)
	require.ErrorContains(t, err, files.URL[len("http://"):]+"/a.txt: it was not asked for")
	require.NotContains(t, err.Error(), "secret")

	pictured := []byte(`{"recipient": "a@example.com", "mime": {"from": "b@example.org",
		"content": {"blocks": [{"type": "image", "src": "` + files.URL + `/a.png", "alt": "x"}]}}}`)
	mail, left, err := Preview(t.Context(), pictured, nil)
	require.NoError(t, err)
	require.Contains(t, string(mail), "/a.png")
	require.Equal(t, []string{files.URL + "/a.png"}, left)

	cfg, _, err := Load([]string{"--download-whitelist", "127.0.0.0/8"}, nil)
	require.NoError(t, err)
	mail, left, err = Preview(t.Context(), attached, cfg)
	require.NoError(t, err)
	require.Empty(t, left)
	require.Contains(t, string(mail), base64.StdEncoding.EncodeToString([]byte("the file")))
}

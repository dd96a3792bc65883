package consoletest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// HostileMails are one mail for each attack in a directory of them, and some that are hostile by their form; by name.
func HostileMails(t testing.TB, dir string) map[string]string {
	files, err := filepath.Glob(filepath.Join(dir, "*.html"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]string{
		"long-line": "Subject: " + strings.Repeat("s", 10<<20) + "\r\n\r\nx",
		"long-html": "Content-Type: text/html\r\n\r\n<p>" + strings.Repeat("<b>x", 10<<20/4),
		"long-text": "Subject: x\r\n\r\n" + strings.Repeat("y", 10<<20),
		"bytes":     "Subject: \xff\xfe\x00\u202e\r\nFrom: \xc3\x28\r\n\r\n\xff\xf0\x9f\x00\x1b[31m",
		"names": "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment; filename*=utf-8''%0d%0aSet-Cookie%3a%20a=b%22%e2%80%aegpj.exe\r\n\r\nx\r\n" +
			"--b\r\nContent-Disposition: attachment; filename=\"" + strings.Repeat("../", 1000) +
			"\"\r\n\r\nx\r\n--b\r\nContent-Type: text/html; name=\"<img src=x onerror=alert(1)>\"\r\n\r\n<p>x\r\n--b--\r\n",
	}
	for _, file := range files {
		attack, err := os.ReadFile(file)
		require.NoError(t, err)
		all[strings.TrimSuffix(filepath.Base(file), ".html")] = "Subject: " + filepath.Base(file) +
			" <script>alert(1)</script>\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>before</p>" + string(attack)
	}
	return all
}

// Attack is what an attacker puts wherever he can.
const Attack = "x\"><script>alert(1)</script>\u202egpj.exe\x1b[31m\x00\xff<img src=x onerror=alert(2)>"

// Between returns what stands in a page between two texts, the nearest to the second.
func Between(t *testing.T, s, begin, end string) string {
	t.Helper()
	_, rest, ok := strings.Cut(s, begin)
	require.True(t, ok, begin)
	text, _, ok := strings.Cut(rest, end)
	require.True(t, ok, end)
	if i := strings.LastIndex(text, begin); i >= 0 {
		text = text[i+len(begin):]
	}
	return text
}

// BrokenQueue is a queue whose broker is away.
type BrokenQueue struct{ memory.Queue }

func (b *BrokenQueue) Queues(context.Context) ([]queue.Stats, error) {
	return nil, fmt.Errorf("%w: dial tcp: connection refused", queue.ErrUnavailable)
}

func (b *BrokenQueue) List(context.Context, queue.Filter, string, int) ([]queue.Entry, string, error) {
	return nil, "", fmt.Errorf("%w: dial tcp: connection refused", queue.ErrUnavailable)
}

package house

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme holds the README against what it shows: its Go code is that of a program, its links lead somewhere, its
// commands name packages that exist.
func TestReadme(t *testing.T) {
	readme := read(t, "../../README.md")
	_, code, found := strings.Cut(readme, "```go\n")
	require.True(t, found)
	code, _, _ = strings.Cut(code, "```")
	require.Contains(t, read(t, "../../examples/ingest/main.go"), code,
		"the README's example is not the one in examples/ingest")
	for _, m := range regexp.MustCompile(`go run \./(\S+)`).FindAllStringSubmatch(readme, -1) {
		require.DirExists(t, "../../"+m[1])
	}
}

// TestLinks follows every relative link in the documents.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, page := range []struct{ dir, name string }{
		{"../..", "README.md"}, {"../../docs", "architecture.md"}, {"../../docs", "performance.md"},
		{"../../docs", "configuration.md"}, {"../../docs", "settings.md"}, {"../../docs", "exec-auth.md"},
		{"../../docs", "personalisation.md"}, {"../../docs", "making-mail.md"}, {"../../docs", "getting-mail-in.md"},
		{"../../docs", "installing.md"}, {"../..", "CHANGELOG.md"}, {"../..", "CONTRIBUTING.md"},
	} {
		for _, m := range link.FindAllStringSubmatch(read(t, page.dir+"/"+page.name), -1) {
			_, err := os.Stat(page.dir + "/" + m[1])
			require.NoError(t, err, "%s links to %s", page.name, m[1])
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

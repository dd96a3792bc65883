package console_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTemplatesLieBesideTheirPages looks for the Go file that renders a template in its own directory, and for the
// template or module that asks for a module.
func TestTemplatesLieBesideTheirPages(t *testing.T) {
	whole := func(pattern string) (text string) {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, f := range found {
			if part, err := os.ReadFile(f); err == nil && !strings.HasSuffix(f, "_test.go") {
				text += string(part)
			}
		}
		return text
	}
	checked := 0
	for _, dir := range []string{"feedback", "frame", "live", "logs", "mailview", "messages", "services", "sheets", "smtpmonitor", "tls"} {
		code, templates, modules := whole(dir+"/*.go"), whole(dir+"/*.html"), whole("*/*.js")
		found, _ := filepath.Glob(dir + "/*.html")
		for _, f := range found {
			name := strings.TrimSuffix(filepath.Base(f), ".html")
			require.True(t, strings.Contains(code, `"`+name+`"`) || strings.Contains(code, `"`+name+`.html"`), f)
			checked++
		}
		found, _ = filepath.Glob(dir + "/*.js")
		for _, f := range found {
			name := filepath.Base(f)
			require.True(t, strings.Contains(templates, `data-page="`+strings.TrimSuffix(name, ".js")+`"`) ||
				strings.Contains(templates, "/"+name) || strings.Contains(modules, `"./`+name+`"`), f)
			checked++
		}
	}
	require.Greater(t, checked, 30)
}

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// write makes a file and returns its name.
func write(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// load reads one file with this text and nothing else.
func load(t *testing.T, text string) (*Config, *Report, error) {
	t.Helper()
	return Load(Sources{SystemFiles: []string{write(t, "config.txt", text)}})
}

// mustLoad is load for text that is right.
func mustLoad(t *testing.T, text string) (*Config, *Report) {
	t.Helper()
	cfg, report, err := load(t, text)
	require.NoError(t, err)
	return cfg, report
}

// warnings returns the warnings as lines, directories of file names taken off.
func warnings(r *Report) string {
	var b strings.Builder
	for _, w := range r.Warnings {
		if w.File != "" {
			w.File = filepath.Base(w.File)
		}
		b.WriteString(w.String() + "\n")
	}
	return b.String()
}

// setting returns one line of the report.
func setting(t *testing.T, r *Report, key string) Setting {
	t.Helper()
	for _, s := range r.Settings {
		if s.Key == key {
			return s
		}
	}
	t.Fatalf("no setting %s", key)
	return Setting{}
}

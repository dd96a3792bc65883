package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files and docs/configuration.md anew")

// golden compares text with a file, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run: go test ./config -update")
}

// TestCheckConfig compares what --check-config prints with a file beside each configuration in testdata.
func TestCheckConfig(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			cfg, report, err := Load(Sources{
				SystemFiles: []string{},
				Args:        []string{"--check-config", "--config-file", name, "--smtp-threads=2"},
				Environ:     []string{"MTAD_SERVER_ID=12"},
			})
			require.NoError(t, err)
			require.NotNil(t, cfg)
			require.True(t, report.Switches.CheckConfig)
			var b bytes.Buffer
			require.NoError(t, report.Write(&b))
			golden(t, strings.TrimSuffix(name, ".txt")+".golden", b.String())
		})
	}
}

func TestCheckConfigWithoutAFile(t *testing.T) {
	_, report, err := Load(Sources{SystemFiles: []string{}, NoFile: LoopbackDefaults()})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, report.Write(&b))
	golden(t, "testdata/nofile.golden", b.String())
}

// TestDocumentation keeps docs/configuration.md true to the table.
func TestDocumentation(t *testing.T) {
	intro, err := os.ReadFile("testdata/configuration.intro.md")
	require.NoError(t, err)
	var b strings.Builder
	b.Write(intro)
	b.WriteString("\n## Switches\n\n| switch | meaning |\n|---|---|\n")
	b.WriteString("| `--config-file FILE` | read this file after the one in /etc |\n")
	for _, s := range toggles() {
		name := "`--" + s.name + "`"
		if s.short != "" {
			name += ", `" + strings.ReplaceAll(s.short, ", ", "`, `") + "`"
		}
		b.WriteString("| " + name + " | " + s.meaning + " |\n")
	}
	b.WriteString("| `--envelope ADDRESS`, `-f ADDRESS` | sender of the mail that is read |\n")
	b.WriteString("| `ADDRESS…` | read a mail from standard input and send it there |\n")
	group := ""
	for _, k := range Keys() {
		if k.Group != group {
			group = k.Group
			b.WriteString("\n## " + group + "\n\n| key | type | default | meaning |\n|---|---|---|---|\n")
		}
		b.WriteString(row(k))
	}
	golden(t, "../docs/configuration.md", b.String())
}

// row is one key as a line of the documentation's table.
func row(k Key) string {
	name := "`" + k.Name + "`"
	for _, a := range k.Aliases {
		name += ", `" + a + "`"
	}
	if k.Ours {
		name += " **+**"
	}
	if k.Restart {
		name += " ↻"
	}
	value := k.DefaultText()
	if k.Default != "" {
		value = "`" + value + "`"
	}
	return "| " + name + " | " + k.Type + " | " + value + " | " + k.Meaning + " |\n"
}

// TestSample keeps the configuration file of the packages true to the table. What it sets is taken without a warning,
// and each line that it has as a comment says what holds without it.
func TestSample(t *testing.T) {
	intro, err := os.ReadFile("testdata/config.intro")
	require.NoError(t, err)
	var b, all strings.Builder
	b.Write(intro)
	group := ""
	for _, k := range Keys() {
		if k.Ignored != "" || k.Older {
			continue
		}
		if k.Group != group {
			group = k.Group
			b.WriteString("\n# ---- " + group + " ----\n")
		}
		b.WriteString("\n# " + k.Meaning)
		if k.Default == "" && k.Blank != "" {
			b.WriteString(" [" + k.Blank + "]")
		}
		line := k.Name + ": " + k.Default
		b.WriteString("\n#" + strings.TrimSpace(line) + "\n")
		all.WriteString(line + "\n")
	}
	golden(t, "../packaging/config.txt", b.String())

	cfg, report, err := Load(Sources{SystemFiles: []string{"../packaging/config.txt"}})
	require.NoError(t, err)
	require.Empty(t, report.Warnings)
	require.True(t, cfg.SMTPRange[0].Addr().IsLoopback())
	spelled, _, err := Load(Sources{SystemFiles: []string{write(t, "all.txt", all.String())}})
	require.NoError(t, err)
	silent, _, err := Load(Sources{SystemFiles: []string{write(t, "none.txt", "")}})
	require.NoError(t, err)
	changed, later := Changed(silent, spelled)
	require.Empty(t, append(changed, later...))
}

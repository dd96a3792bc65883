package house

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestArrows lists the imports of every package as it is built, tests left out, and holds them against the plan.
func TestArrows(t *testing.T) {
	out := listPackages(t, "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}")
	packages := 0
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		from, ok := strings.CutPrefix(fields[0], Module+"/")
		if !ok {
			continue
		}
		packages++
		for _, imported := range fields[1:] {
			if to, ours := strings.CutPrefix(imported, Module+"/"); ours && !Allowed(from, to) {
				t.Errorf("%s must not import %s", from, to)
			}
		}
	}
	require.Greater(t, packages, 10, "go list found too few packages to be believed")
}

// TestPackagesAreExplained finds packages without a comment that says what they are for.
func TestPackagesAreExplained(t *testing.T) {
	out := listPackages(t, "{{if not .Doc}}{{.ImportPath}}{{end}}")
	require.Empty(t, strings.Fields(out), "packages without a package comment")
}

// listPackages has go list tell of each package of every module.
func listPackages(t *testing.T, format string) string {
	t.Helper()
	var all strings.Builder
	for _, module := range modules(t) {
		list := exec.Command("go", "list", "-f", format, "./...")
		list.Dir = filepath.Join("../..", module)
		out, err := list.Output()
		require.NoError(t, err)
		all.Write(out)
	}
	return all.String()
}

func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"examples/mtad", "queue/disk", true},
		{"examples/mtad", "mta", true},
		{"mta", "queue/disk", true},
		{"mta", "examples/mtad", false},
		{"console", "mta", false},
		{"queue", "examples/mtad", false},
		{"queue/disk", "queue", true},
		{"queue", "queue/disk", false},
		{"queue/disk", "queue/memory", false},
		{"queue/memory", "queue/queuetest", true},
		{"queue", "monitor", false},
		{"monitor/logfile", "monitor", true},
		{"delivery", "queue", true},
		{"delivery/smtpout", "delivery", true},
		{"delivery", "delivery/smtpout", false},
		{"delivery", "delivery/receivers", true},
		{"delivery", "smtpin", false},
		{"smtpin", "smtpin/internal/wire", true},
		{"smtpin", "queue", false},
		{"smtpin/enqueue", "queue", true},
		{"smtpin/enqueue", "delivery", false},
		{"console", "queue", true},
		{"console", "delivery", false},
		{"queue", "internal/addr", true},
		{"internal/addr", "queue", false},
		{"dev/bench", "queue", true},
		{"dev/e2e", "dev/mtatest", true},
		{"mta", "dev/mtatest", false},
	} {
		require.Equal(t, c.want, Allowed(c.from, c.to), "%s imports %s", c.from, c.to)
	}
}

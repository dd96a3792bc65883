package house

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestArrows lists the imports of every package as it is built, tests left out, and holds them against the plan.
func TestArrows(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}", Module+"/...")
	out, err := cmd.Output()
	require.NoError(t, err)
	packages := 0
	for line := range strings.Lines(string(out)) {
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
	out, err := exec.Command("go", "list", "-f", "{{if not .Doc}}{{.ImportPath}}{{end}}", Module+"/...").Output()
	require.NoError(t, err)
	require.Empty(t, strings.Fields(string(out)), "packages without a package comment")
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
		{"delivery", "smtpin", false},
		{"smtpin", "smtpin/wire", true},
		{"smtpin", "queue", false},
		{"smtpin/enqueue", "queue", true},
		{"smtpin/enqueue", "delivery", false},
		{"console", "queue", true},
		{"console", "delivery", false},
		{"queue", "internal/addr", true},
		{"internal/addr", "queue", false},
		{"internal/bench", "queue", true},
	} {
		require.Equal(t, c.want, Allowed(c.from, c.to), "%s imports %s", c.from, c.to)
	}
}

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
)

// TestUnit has systemd itself find no fault with the unit, and no more exposure than 2.5 of 10.
func TestUnit(t *testing.T) {
	t.Parallel()
	testserver.Need(t, "systemd-analyze")
	unit, err := os.ReadFile("../../packaging/mtad.service")
	require.NoError(t, err)
	require.Contains(t, string(unit), "ExecStart=/usr/bin/mtad\n")
	file := filepath.Join(t.TempDir(), "mtad.service")
	// verify wants a program that is installed
	there := strings.ReplaceAll(string(unit), "/usr/bin/mtad", "/bin/true")
	require.NoError(t, os.WriteFile(file, []byte(there), 0o644))

	out, _ := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput()
	for line := range strings.Lines(string(out)) { // other units of the machine are found fault with, too
		require.NotContains(t, line, "mtad.service")
	}
	out, err = exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=25",
		file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "Overall exposure level")
}

package house

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFilesRunDownwards holds the files of the largest rooms against the order in which their doc.go lists them:
// whoever reads from top to bottom meets a name before the file that declares it.
func TestFilesRunDownwards(t *testing.T) {
	rooms := []string{"delivery", "console", "console/frame", "console/sheets"}
	all, err := ArrowsIn(rooms...)
	require.NoError(t, err)
	for _, room := range rooms {
		arrows := all[room]
		require.Greater(t, arrows.Down, 100, "%s: too few arrows to be believed", room)
		require.Greater(t, arrows.Share(), 0.85, "%s: these run upwards:\n%q", room, arrows.Up)
		t.Logf("%s: %d down, %d up", room, arrows.Down, len(arrows.Up))
	}
}

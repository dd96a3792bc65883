package house

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFilesRunDownwards holds the files of the largest rooms against the order in which their doc.go lists them:
// whoever reads from top to bottom meets a name before the file that declares it.
func TestFilesRunDownwards(t *testing.T) {
	rooms := map[string]int{"delivery": 100, "console/frame": 100, "console/live": 100, "console/messages": 50,
		"console/sheets": 100}
	all, err := ArrowsIn(slices.Collect(maps.Keys(rooms))...)
	require.NoError(t, err)
	for room, least := range rooms {
		arrows := all[room]
		require.Greater(t, arrows.Down, least, "%s: too few arrows to be believed", room)
		require.Greater(t, arrows.Share(), 0.85, "%s: these run upwards:\n%q", room, arrows.Up)
		t.Logf("%s: %d down, %d up", room, arrows.Down, len(arrows.Up))
	}
}

package house

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// parts are the structs of delivery that are larger than a file, with the files that their methods stand in: each has
// one idea of what the struct does.
var parts = map[string][]string{
	"Engine":     {"way.go", "paths.go", "why.go", "explain.go", "unheeded.go"},
	"path":       {"reports.go", "take.go", "ready.go", "parking.go", "reexamine.go", "explain.go"},
	"connection": {"outcome.go", "reexamine.go", "together.go"},
	"link":       {"outcome.go", "reexamine.go", "together.go"},
	"Why":        {"whytext.go"},
}

// open are the structs of delivery whose fields other files may use, and why.
var open = map[string]string{
	"core":    "what the parts of an engine share: it is set before Run, and does not change but by its parts' methods",
	"letter":  "a value: what is read of a message to decide about it",
	"verdict": "a value: what was decided",
	"pathKey": "a value: what tells paths apart",
	"job":     "one goroutine has it, and passes it on; what may go wrong in doing so is a method",
}

// TestFilesKeepTheirFields holds every file of delivery against the rule that a private field is used by the file that
// declares it: others call methods.
func TestFilesKeepTheirFields(t *testing.T) {
	reaches, err := ReachesIn("delivery")
	require.NoError(t, err)
	require.Greater(t, len(reaches), 100, "too few to be believed")
	counts := map[string]int{}
	for _, r := range reaches {
		switch {
		case r.Method && slices.Contains(parts[r.Struct], r.File):
			counts["own methods"]++
		case open[r.Struct] != "":
			counts[r.Struct]++
		default:
			t.Errorf("%s: %s.%s is private to another file: call a method", r.At, r.Struct, r.Field)
		}
	}
	for name := range parts {
		for _, file := range parts[name] {
			require.True(t, slices.ContainsFunc(reaches, func(r Reach) bool {
				return r.Struct == name && r.File == file && r.Method
			}), "no method of %s in %s uses its fields any more", name, file)
		}
	}
	for name := range open {
		require.NotZero(t, counts[name], "nobody uses fields of %s any more", name)
	}
	t.Logf("%v", counts)
}

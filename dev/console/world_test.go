package console_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const waitTime, pollTime = 10 * time.Second, 5 * time.Millisecond

// everyPage are the addresses of the console, without those that name a thing.
func everyPage(t *testing.T) []string {
	text, err := os.ReadFile("../../console/testdata/pages.txt")
	require.NoError(t, err)
	return strings.Fields(string(text))
}

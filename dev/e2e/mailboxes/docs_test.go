package mailboxes

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/mx"
)

// TestExamplesOfTheDocumentation reads the targets in docs/mailboxes.md as mtad does.
func TestExamplesOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../../docs/mailboxes.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "```routes\n")
	require.True(t, found)
	file, _, _ := strings.Cut(rest, "```")
	read, err := mx.ParseRoutes(strings.NewReader(file), "docs/mailboxes.md")
	require.NoError(t, err)
	require.Len(t, read.List(), 5)
	relays := regexp.MustCompile(`relay=([^'\s]+)`).FindAllStringSubmatch(string(page), -1)
	require.Len(t, relays, 2)
	for _, r := range relays {
		_, err := mx.NewRelay(r[1], 0)
		require.NoError(t, err)
	}
}

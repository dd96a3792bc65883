package printable

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	require.Equal(t, "as it is", Text("as it is", 8))
	require.Equal(t, "cut...", Text("cut here", 3))
	require.Equal(t, "a??b?", Text("a\r\nbé", 100))
}

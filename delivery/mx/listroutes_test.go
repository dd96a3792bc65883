package mx

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListRoutes(t *testing.T) {
	routes, err := ParseRoutes(strings.NewReader("*.b.*:192.0.2.2\nb.test:relay.test:2525\n.a.test:\n:last.test\n"),
		"file")
	require.NoError(t, err)
	require.Equal(t, []Route{{".a.test", Relay{}}, {"b.test", Relay{Host: "relay.test", Port: 2525}},
		{"*.b.*", Relay{Host: "192.0.2.2"}}, {"", Relay{Host: "last.test"}}}, routes.List())
	require.Empty(t, (*Routes)(nil).List())
}

package template

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCacheCompilesATextOnce(t *testing.T) {
	var c Cache
	first, err := c.Compile([]byte("Hi {$name}"))
	require.NoError(t, err)
	again, err := c.Compile([]byte("Hi {$name}"))
	require.NoError(t, err)
	require.Same(t, first, again)
	_, err = c.Compile([]byte("{$"))
	require.Error(t, err)
	_, errAgain := c.Compile([]byte("{$"))
	require.Same(t, err, errAgain, "errors are kept too")
}

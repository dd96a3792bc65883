package template

import (
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCacheCompilesATextOnce(t *testing.T) {
	var c Cache
	results := make([]*Template, 20)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			got, err := c.Compile([]byte("Hi {$name}"))
			if err == nil {
				results[i] = got
			}
		})
	}
	wg.Wait()
	for _, got := range results {
		require.Same(t, results[0], got)
	}
	_, err := c.Compile([]byte("{$"))
	require.Error(t, err)
	_, again := c.Compile([]byte("{$"))
	require.Same(t, err, again, "errors are kept too")
}

func TestCacheForgetsWhatWasNotUsed(t *testing.T) {
	c := Cache{Bytes: 10_000}
	used, err := c.Compile([]byte("used {$x}"))
	require.NoError(t, err)
	unused, err := c.Compile([]byte("unused {$x}"))
	require.NoError(t, err)
	for i := range 100 {
		_, err := c.Compile([]byte("text " + strconv.Itoa(i)))
		require.NoError(t, err)
		again, err := c.Compile([]byte("used {$x}"))
		require.NoError(t, err)
		require.Same(t, used, again)
		require.LessOrEqual(t, c.size, c.Bytes)
		require.Len(t, c.entries, c.recent.Len())
	}
	again, err := c.Compile([]byte("unused {$x}"))
	require.NoError(t, err)
	require.NotSame(t, unused, again)

	large := make([]byte, 20_000)
	_, err = c.Compile(large)
	require.NoError(t, err)
	require.LessOrEqual(t, c.size, c.Bytes)
	again, err = c.Compile([]byte("used {$x}"))
	require.NoError(t, err)
	require.Same(t, used, again, "what is too large pushes nothing out")
}

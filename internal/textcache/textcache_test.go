package textcache

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachTextIsMadeOnce(t *testing.T) {
	var c Cache[string]
	var makings atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			got := c.Get([]byte("text"), func(text string) (string, int) {
				makings.Add(1)
				return text + "!", 5
			})
			if got != "text!" {
				t.Error(got)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, makings.Load())
}

func TestWhatWasNotUsedIsForgotten(t *testing.T) {
	c := Cache[int]{Bytes: 20_000}
	made := 0
	get := func(text string, size int) {
		c.Get([]byte(text), func(string) (int, int) { made++; return 0, size })
		require.LessOrEqual(t, c.size, c.Bytes)
		require.Len(t, c.entries, c.recent.Len())
	}
	get("used", 10)
	get("unused", 10)
	for i := range 100 {
		get("other "+strconv.Itoa(i), 1000)
		get("used", 10)
	}
	require.Equal(t, 102, made)
	get("unused", 10)
	require.Equal(t, 103, made)

	get(string(make([]byte, 30_000)), 0)
	get("used", 10)
	require.Equal(t, 104, made, "a text that is too large pushes nothing out")
	get("a large value", 30_000)
	require.Zero(t, c.size, "a value that is too large takes all with it")
}

package lru_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/internal/lru"
)

func TestCache(t *testing.T) {
	now := time.Unix(1000, 0)
	c := lru.Cache[string, int]{Limit: 3}
	has := func(want map[string]int, keys ...string) {
		t.Helper()
		got := map[string]int{}
		for _, key := range keys {
			if v, ok := c.Get(key, now); ok {
				got[key] = v
			}
		}
		require.Equal(t, want, got)
	}
	has(map[string]int{}, "a")
	c.Put("a", 1, 1, time.Time{})
	c.Put("b", 2, 1, now.Add(time.Minute))
	c.Put("c", 3, 1, time.Time{})
	has(map[string]int{"a": 1}, "a")
	v, ok := c.Peek("b", now)
	require.True(t, ok)
	require.Equal(t, 2, v)
	c.Put("d", 4, 1, time.Time{}) // b was used longest ago
	has(map[string]int{"d": 4, "c": 3, "a": 1}, "a", "b", "c", "d")

	c.Put("a", 5, 2, now.Add(time.Second))
	has(map[string]int{"a": 5, "d": 4}, "d", "a", "c")
	now = now.Add(time.Second)
	has(map[string]int{"d": 4}, "a", "d")
	c.Put("b", 6, 2, time.Time{}) // there is room: a's time was over
	has(map[string]int{"d": 4, "b": 6}, "d", "b")

	c.Put("d", 7, 4, time.Time{})
	has(map[string]int{"b": 6}, "d", "b")
	require.Equal(t, []string{"b"}, c.Keys())
	c.Clear()
	require.Empty(t, c.Keys())
	has(map[string]int{}, "b")
	c.Put("e", 8, 3, time.Time{})
	has(map[string]int{"e": 8}, "e")
}

// TestModel holds it against a list.
func TestModel(t *testing.T) {
	type kept struct {
		key    uint8
		value  int
		weight int64
		until  time.Time
	}
	rapid.Check(t, func(t *rapid.T) {
		c := lru.Cache[uint8, int]{Limit: 10}
		var model []kept // the one used last at the end
		now := time.Unix(0, 0)
		take := func(key uint8) (k kept, found bool) {
			for i := range model {
				if model[i].key == key {
					k = model[i]
					model = append(model[:i], model[i+1:]...)
					return k, true
				}
			}
			return k, false
		}
		for n := range rapid.IntRange(0, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "seconds")) * time.Second)
			key := uint8(rapid.IntRange(0, 7).Draw(t, "key"))
			if rapid.Bool().Draw(t, "put") {
				k := kept{key, n, int64(rapid.IntRange(0, 11).Draw(t, "weight")), time.Time{}}
				if rapid.Bool().Draw(t, "expires") {
					k.until = now.Add(2 * time.Second)
				}
				c.Put(k.key, k.value, k.weight, k.until)
				take(key)
				if k.weight <= c.Limit {
					model = append(model, k)
				}
				for total := int64(0); ; total = 0 {
					for _, k := range model {
						total += k.weight
					}
					if total <= c.Limit {
						break
					}
					model = model[1:]
				}
				continue
			}
			got, ok := c.Get(key, now)
			k, found := take(key)
			if found = found && (k.until.IsZero() || now.Before(k.until)); found {
				model = append(model, k)
			}
			if ok != found || ok && got != k.value {
				t.Fatalf("step %d: key %d is %d, %v; want %d, %v", n, key, got, ok, k.value, found)
			}
		}
	})
}

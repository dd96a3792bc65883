package throttle_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
)

// TestListeners tells each path once, and all of them when there are too many to be told one by one.
func TestListeners(t *testing.T) {
	var l throttle.Listeners
	var set throttle.PathSet
	require.True(t, set.Empty())
	l.Tell(throttle.PathSet{All: true}) // nobody listens
	var told []string
	for range 2 {
		l.Add(func(p throttle.Path) { told = append(told, p.Site) })
	}
	set.Add(throttle.Path{Site: "a"})
	set.Add(throttle.Path{Site: "a"})
	var other throttle.PathSet
	other.Add(throttle.Path{Site: "b"})
	set.Join(other)
	require.False(t, set.Empty())
	l.Tell(set.Take())
	require.Equal(t, []string{"a", "a", "b", "b"}, told)
	require.True(t, set.Empty(), "taken")

	told = nil
	for i := range 100 {
		set.Add(throttle.Path{Site: fmt.Sprint(i)})
	}
	require.True(t, set.All)
	l.Tell(set)
	require.Equal(t, []string{"", ""}, told, "the zero path means all")
}

package aside

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// counting is a queue that calls asked before it says how much is parked.
type counting struct {
	queue.Parker
	asked func()
}

func (c *counting) Parked(context.Context, string) (map[string]int, error) {
	c.asked()
	return map[string]int{"a.test": 5, "b.test": 5}, nil
}

// while is a Reason that holds as long as it is true.
type while bool

func (w *while) Holds() (time.Time, bool) { return time.Time{}, bool(*w) }
func (w *while) Stale() bool              { return false }

// nobody is an Owner that wants nothing.
type nobody struct{}

func (nobody) Served()        {}
func (nobody) String() string { return "nobody" }

// A shelf may take over what was held just when that is to be fetched: it is not looked for any more then.
func TestKeyThatIsTakenOverBeforeItBegins(t *testing.T) {
	q := &counting{}
	r := &Registry{Queue: q, Room: func() int { return 0 }}
	r.Init()
	var s Shelf
	s.Init(r, nobody{})
	held := while(true)
	for _, domain := range []string{"a.test", "b.test"} {
		r.Hold(&Note{Key: domain, Reason: &held, Whole: true})
	}
	r.fetch(r.holds["a.test"], 1)
	q.asked = func() { require.False(t, s.Arrived("a.test"), "it was not ordered") }
	held = false
	r.Recheck()
	require.False(t, r.round(context.Background()).IsZero(), "there is something to be fetched")
	require.EqualValues(t, 1, r.flowing.Load(), "b.test alone")
	require.Len(t, r.holds, 1)
	require.Equal(t, []string{"a.test"}, s.Keys())
	r.fetched("b.test", 5, 5)
	require.Zero(t, r.flowing.Load())
	require.Empty(t, r.holds)
	require.True(t, r.round(context.Background()).IsZero(), "there is nothing more to do, at no time")
}

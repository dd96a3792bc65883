package delivery

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// counting is a queue that calls asked before it says how much is parked.
type counting struct {
	queue.Queue
	queue.Parker
	asked func()
}

func (c *counting) Parked(context.Context, string) (map[string]int, error) {
	c.asked()
	return map[string]int{"a.test": 5, "b.test": 5}, nil
}

// A path may adopt what a pause had parked just when that is to be fetched: it is not looked for any more then.
func TestKeyThatIsAdoptedBeforeItBegins(t *testing.T) {
	q := &counting{}
	e := &Engine{Queue: q}
	e.init()
	p := &e.pausing
	park := func(domain string) *pausedKey {
		p.add(newPauseNote(&job{letter: letter{m: &queue.Message{}, domain: domain}}, &Pause{ID: 1}, nil), true)
		return p.keys[domain]
	}
	a, b := park("a.test"), park("b.test")
	for _, h := range []*pausedKey{a, b} {
		h.samples[""].free = true
	}
	p.begins(a, 1)
	q.asked = func() { require.True(t, p.adopts("a.test")) }
	p.begin(map[*pausedKey]string{a: "a.test", b: "b.test"})
	require.EqualValues(t, 1, p.flowing.Load(), "b.test alone")
	require.EqualValues(t, 1, p.active.Load())
	p.fetched("b.test", 5, 5)
	require.Zero(t, p.flowing.Load())
	require.Zero(t, p.active.Load())
	require.True(t, p.round().IsZero(), "there is nothing more to do, at no time")
}

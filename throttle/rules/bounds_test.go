package rules

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
)

// changes collects what a Live tells.
type changes struct {
	mu  sync.Mutex
	all map[throttle.Path]int
}

func watch(l *Live) *changes {
	c := &changes{all: make(map[throttle.Path]int)}
	l.Attach(func(p throttle.Path) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all[p]++
	})
	return c
}

func (c *changes) of(p throttle.Path) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[p]
}

func TestActiveFloodsAreBounded(t *testing.T) {
	l := new(Live)
	l.floods.max = 50
	set, _ := Compile(Config{Floods: []Flood{{Name: "all", Pattern: "*", Type: "fnmatch", Pause: time.Hour}}})
	l.Set(set)
	defer l.Close()
	c := watch(l)
	path := func(i int) throttle.Path { return throttle.Path{Site: fmt.Sprint(i)} }
	for i := range 200 {
		l.Observe(path(i), netip.Addr{}, throttle.Outcome{Code: 421, Text: "x"})
		require.False(t, l.Limits(path(i), new(throttle.Limits)).PausedUntil.IsZero(), "the newest is active")
	}
	require.Len(t, l.Floods(), 50)
	active := map[throttle.Path]bool{}
	for _, f := range l.Floods() {
		active[f.Path] = true
	}
	for i := range 200 {
		if !active[path(i)] {
			require.Eventually(t, func() bool { return c.of(path(i)) == 2 }, 5*time.Second, time.Millisecond,
				"a path whose flood gave way is told")
		}
	}
	require.Equal(t, 50, l.Clear(throttle.Path{}, ""))
	require.True(t, l.floods.none())
}

func TestAliasesAreBounded(t *testing.T) {
	l := new(Live)
	l.sites.maxAliases = 100
	set,
		_ := Compile(Config{Rules: []Rule{{Name: "mail", Values: Values{"maxmessages": 5},
		Patterns: []Pattern{{Domain: "mail.example"}}}}})
	l.Set(set)
	l.Alias("a.example", "mail.example")
	for i := range 5000 {
		l.Alias("a.example", fmt.Sprint(i))
	}
	require.Len(t, l.sites.siteOf, 100)
	require.Len(t, l.sites.sites["a.example"].domains, 100)
	require.EqualValues(t, 5, l.Limits(throttle.Path{Site: "a.example"}, new(throttle.Limits)).Domain.Messages,
		"domains that rules name are not forgotten for others")
}

func TestPathsThatAskedAreBounded(t *testing.T) {
	l := new(Live)
	l.sites.maxAsked = 100
	set,
		_ := Compile(Config{Rules: []Rule{{Name: "mail", Values: Values{"maxmessages": 5},
		Patterns: []Pattern{{Domain: "mail.example"}}}}})
	l.Set(set)
	c := watch(l)
	for i := range 1001 {
		l.Limits(throttle.Path{Site: fmt.Sprint(i)}, new(throttle.Limits))
	}
	require.Eventually(t, func() bool { return c.of(throttle.Path{}) == 10 }, 5*time.Second, time.Millisecond,
		"all are told to ask anew, since nobody knows any more who they are")
	require.Len(t, l.sites.sites, 1)
}

func TestDayCountersAreBounded(t *testing.T) {
	var d days
	d.max = 10
	for i := range 20 {
		path := throttle.Path{Site: fmt.Sprint(i)}
		require.Equal(t, 1, d.day(path, 5, 100))
		d.sent(path, 100)
	}
	require.Len(t, d.pairs, 10)
	require.Len(t, d.dirty, 10)
	d.merge([]Day{{Site: "new", Day: 3}})
	require.Len(t, d.pairs, 10)
}

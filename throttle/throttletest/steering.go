package throttletest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
)

func paused(t *testing.T, newThrottler New) {
	until := time.Now().Add(30 * time.Second)
	th := newThrottler(t, throttle.Limits{PausedUntil: until})
	for _, after := range []time.Duration{0, 10 * time.Second, 20*time.Second - 1} {
		time.Sleep(after)
		c, wait := th.Connect(pathA, target1)
		require.Nil(t, c, "a path that is paused does not connect")
		sane(t, wait)
		require.Equal(t, "pause", wait.Limit)
		require.Equal(t, time.Until(until), wait.For, "the wait lasts as long as the pause")
	}
	time.Sleep(time.Nanosecond)
	c := dial(t, th, pathA, target1)
	defer c.Close()
	require.True(t, c.Send(1).Zero(), "a pause ends by itself")
}

// explained is for throttlers that can explain.
func explained(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Messages: 2, Connections: 1},
		Target: throttle.Rates{Connects: 60},
		Origin: map[string]string{"maxmessages": "gentle", "maxconnections": "gentle", "ip_maxconnects": "gentle"}})
	e, ok := explainer(th)
	if !ok {
		t.Skip("this throttler does not explain")
	}
	before := e.Explain(pathA, target1)
	require.Equal(t, pathA, before.Path)
	require.Empty(t, before.Binding, "nothing binds before anything happened")
	require.Contains(t, before.Values, throttle.Value{Limit: "maxmessages", Value: 2, Unit: throttle.PerMinute,
		Rule: "gentle"})
	require.Contains(t, before.Values, throttle.Value{Limit: "ip_maxconnects", Value: 60, Unit: throttle.PerMinute,
		Rule: "gentle"})

	c := dial(t, th, pathA, target1)
	require.True(t, c.Send(1).Zero())
	wait := c.Send(1)
	after := e.Explain(pathA, target1)
	require.Equal(t, before.Values, after.Values, "values stay as they are when they bind")
	require.Len(t, after.Binding, 3)
	require.Equal(t, throttle.Binding{Limit: "maxconnections", Rule: "gentle"}, after.Binding[0],
		"without an end: the longest first")
	require.Equal(t, throttle.Binding{Limit: "maxmessages", Rule: "gentle", Until: time.Now().Add(wait.For)},
		after.Binding[1],
		"the explanation says the same as Send")
	require.Equal(t, "ip_maxconnects", after.Binding[2].Limit)
	require.Empty(t, e.Explain(pathB, target2).Binding, "other paths and targets are free")
	require.Len(t, e.Explain(pathA).Binding, 2, "targets are looked at as far as they are named")
	c.Close()
	time.Sleep(time.Minute)
	require.Empty(t, e.Explain(pathA, target1).Binding, "what is over binds no more")
}

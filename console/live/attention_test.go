package live

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/admin"
)

func TestAttention(t *testing.T) {
	now := time.Now()
	limit := []admin.LimitValue{{Limit: "maxmessages", Value: 1200, Unit: "per minute", Rule: "Gmail warm"}}
	all := attention([]admin.Path{
		{Site: "quiet.test", Open: 3},
		{Site: "gmail.com", Source: "192.0.2.1", Ready: 6000, Limits: limit,
			Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Gmail warm"}}},
		{Site: "gmail.com", Source: "192.0.2.2", Ready: 911, Limits: limit,
			Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Gmail warm"}}},
		{Site: "down.test", Ready: 5, Offline: now.Add(5 * time.Minute), LastError: "connection timed out"},
		{Site: "new.test", Resolving: 2},
		{Site: "full.test", Ready: 1, NoSlot: true},
		{Site: "flood.test", Ready: 9000, Floods: []admin.Flood{{Name: "slow", Phase: "paused", Text: "421 go away",
			Until: now.Add(90 * time.Second)}}},
	}, nil, nil, now)
	type line struct{ domain, kind, why string }
	var lines []line
	for _, one := range all {
		lines = append(lines, line{one.Domain, one.Kind, one.Why})
	}
	require.Equal(t, []line{
		{"flood.test", "flood", "Flood “slow”: paused after “421 go away”, for 1 min 30 s more."},
		{"gmail.com", "throttle", "“Gmail warm” allows 1,200 msg/min. (2 addresses)"},
		{"down.test", "offline", "No host could be reached: connection timed out."},
		{"new.test", "dns", "The mail servers of the domain are being looked up."},
		{"full.test", "slots", "All connections of this server are in use."},
	}, lines)
	require.Equal(t, 6911, all[1].Waiting)
}

func TestPausesHold(t *testing.T) {
	now := time.Now()
	all := attention([]admin.Path{{Site: "b.test", Source: "192.0.2.1", Ready: 4,
		Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Slow"}},
		Limits:  []admin.LimitValue{{Limit: "maxmessages", Value: 60, Rule: "Slow"}}}},
		[]admin.Held{
			{Domain: "a.test", Rule: "pause 3", Messages: 500, Until: now.Add(2 * time.Minute)},
			{Domain: "b.test", Rule: "pause 4", Messages: 10},
			{Domain: "empty.test", Rule: "pause 4"},
			{Tag: "news/48", Rule: "pause 5", Messages: 7},
			{Rule: "pause 6", Messages: 3},
			{Domain: "back.test", Rule: "pause 7", Messages: 2, Until: now, Flowing: true},
		}, nil, now)
	type line struct {
		name, link, kind, why string
		waiting               int
	}
	var lines []line
	for _, one := range all {
		lines = append(lines, line{one.Name, one.Link, one.Kind, one.Why, one.Waiting})
	}
	require.Equal(t, []line{
		{"a.test", "/domains/a.test", "paused", "Delivery is paused by pause 3, for 2 min more.", 500},
		{"b.test", "/domains/b.test", "paused", "Delivery is paused by pause 4.", 14},
		{"tag “news/48”", "/tags/news%2F48", "paused", "Delivery is paused by pause 5.", 7},
		{"Pause 6", "/pauses", "paused", "Delivery is paused by pause 6.", 3},
		{"back.test", "/domains/back.test", "paused", "A pause is over, and what it held comes back.", 2},
	}, lines)
	require.Equal(t, now.Add(2*time.Minute), all[0].Next)
}

func TestLogOfCounters(t *testing.T) {
	f := filter{MTA: "192.0.2.1", Domain: "b.test", Tag: "x y"}
	require.Equal(t, "/logs?domain=b.test&from=60s&ip=192.0.2.1&outcome=failed&tag=x+y", f.logOf("errors"))
	require.Equal(t, "/logs?from=60s&outcome=deferred", filter{}.logOf("retried"))
	require.Empty(t, filter{}.logOf("connects"))
}

package local

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRateProperty takes and gives back at random times and checks that what stayed is never too much for a minute.
func TestRateProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perMinute := rapid.Int64Range(1, 200).Draw(t, "perMinute")
		r := &rate{perMinute: perMinute}
		type event struct {
			at     int64
			ticket ticket
			gone   bool
		}
		var events []event
		now := int64(1e18)
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				now += rapid.Int64Range(0, int64(40*time.Second)).Draw(t, "pause")
			case 1:
				if len(events) > 0 {
					e := &events[rapid.IntRange(max(0, len(events)-4), len(events)-1).Draw(t, "cancelled")]
					if !e.gone {
						e.ticket.giveBack(now)
						e.gone = true
					}
				}
			default:
				now += int64(r.wait(now))
				events = append(events, event{at: now, ticket: r.take(1, now)})
			}
		}
		kept := 0
		var first int
		for i := range events {
			if !events[i].gone {
				kept++
			}
			for events[i].at-events[first].at >= int64(time.Minute) {
				if !events[first].gone {
					kept--
				}
				first++
			}
			if int64(kept) > perMinute {
				t.Fatalf("%d in a minute, %d allowed", kept, perMinute)
			}
		}
	})
}

func TestCost(t *testing.T) {
	require.EqualValues(t, 60300*time.Millisecond, cost(1, 1))
	require.EqualValues(t, 0, cost(0, 1))
	require.EqualValues(t, 0, cost(-5, 1))
	require.EqualValues(t, maxCost, cost(1<<62, 1))
	require.EqualValues(t, 1, cost(1, 1<<62))
	for _, n := range []int64{1, 2, 3, 7, 59, 60, 61, 999, 1 << 20, 1<<40 + 1} {
		require.GreaterOrEqual(t, float64(cost(1, n))*float64(n), float64(int64(time.Minute)+tolerance(n)))
	}
}

func TestByteLog(t *testing.T) {
	var l byteLog
	at := func(d time.Duration) int64 { return int64(1e18) + int64(d) }
	require.Zero(t, l.wait(5000, 1000, at(0)), "too large, but nothing went yet")
	l.add(400, at(0))
	l.add(400, at(100*time.Millisecond))
	l.add(200, at(10*time.Second))
	require.Len(t, l.runs, 2)
	require.Equal(t, 50100*time.Millisecond, l.wait(1, 1000, at(10*time.Second)))
	require.Equal(t, 60*time.Second, l.wait(801, 1000, at(10*time.Second)), "needs all room")
	l.remove(400, at(50*time.Millisecond))
	require.Zero(t, l.wait(400, 1000, at(11*time.Second)))
	l.remove(999, at(10*time.Second))
	require.EqualValues(t, 600, l.sum)
	require.False(t, l.rests(at(69*time.Second)))
	require.True(t, l.rests(at(70*time.Second)))
	l.expire(at(71 * time.Second))
	require.Zero(t, l.sum)
	require.Empty(t, l.runs)
}

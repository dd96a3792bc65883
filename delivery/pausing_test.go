package delivery_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// parkedUnder returns how many messages are parked under each key.
func (w *world) parkedUnder() map[string]int {
	w.t.Helper()
	keys, err := w.queue.(queue.Parker).Parked(context.Background(), "outbox")
	require.NoError(w.t, err)
	return keys
}

func TestPausedMailIsParkedAndOthersGo(t *testing.T) {
	target := netip.MustParseAddr("203.0.113.1")
	tests := map[string]struct {
		area area
		key  string
	}{
		"domain":            {area{domain: "paused.test"}, "paused.test"},
		"tag":               {area{tag: "t"}, "tag:t"},
		"source":            {area{source: ip1}, "pause:7"},
		"source and domain": {area{source: ip1, domain: "paused.test"}, "pause:7"},
		"target":            {area{target: target}, "pause:7"},
		"target and tag":    {area{target: target, tag: "t"}, "pause:7"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				l := w.withLedger()
				w.router.addresses["mx.paused.test"] = []netip.Addr{target}
				inForce := w.steeredBy(&rules{paused: []pausing{{area: test.area, id: 7}}})
				w.start()
				for i := range 2000 {
					m := mail(fmt.Sprintf("r%d@paused.test", i))
					m.IPs, m.Tags = []string{ip1.String()}, []string{"t"}
					w.publish(m)
				}
				for i := range 100 {
					m := mail(fmt.Sprintf("r%d@free.test", i))
					m.IPs = []string{ip2.String()}
					w.publish(m)
				}
				w.sleep(time.Second)
				require.Equal(t, 100, w.sender.count(), "what is not paused goes")
				require.Equal(t, map[string]int{test.key: 2000}, w.parkedUnder())
				parks := l.parks()
				w.sleep(9 * time.Minute)
				require.Equal(t, parks, l.parks(), "no traffic while it is paused")
				held, err := w.Held(context.Background())
				require.NoError(t, err)
				require.Len(t, held, 1)
				require.Equal(t, 2000, held[0].Messages)
				require.EqualValues(t, 7, held[0].Pause.ID)

				inForce.change(nil)
				w.sleep(10 * time.Second)
				require.Equal(t, 2100, w.stats("success").Ready, "all flows once it is resumed")
				held, err = w.Held(context.Background())
				require.NoError(t, err)
				require.Empty(t, held)
				w.shutDown()
				l.closed(t)
			})
		})
	}
}

func TestPauseEndsByItself(t *testing.T) {
	for name, a := range map[string]area{"domain": {domain: "example.com"}, "tag": {tag: "t"}, "source": {source: ip1},
		"target": {target: netip.MustParseAddr("203.0.113.1")}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.router.addresses["mx.example.com"] = []netip.Addr{netip.MustParseAddr("203.0.113.1")}
				until := time.Now().Add(5 * time.Minute)
				w.steeredBy(&rules{paused: []pausing{{area: a, until: until}}})
				w.start()
				m := mail("someone@example.com")
				m.Tags, m.IPs = []string{"t"}, []string{ip1.String()}
				w.publish(m)
				w.sleep(5*time.Minute - time.Second)
				require.Zero(t, w.sender.count())
				w.sleep(time.Second + 100*time.Millisecond)
				require.Equal(t, 1, w.sender.count())
				require.False(t, w.sender.all()[0].at.Before(until))
				w.shutDown()
			})
		})
	}
}

func TestPausedDomainIsNotLookedUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.router.chill("paused.test")
		inForce := w.steeredBy(&rules{paused: []pausing{{area: area{domain: "paused.test"}}}})
		w.start()
		w.publishMany(10, "paused.test")
		w.sleep(time.Minute)
		require.Zero(t, w.router.asked.Load())
		inForce.change(nil)
		w.sleep(time.Second)
		require.Equal(t, 10, w.sender.count())
		w.shutDown()
	})
}

func TestPauseWhileRoutesAreLookedUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Lookups = 1
		w.router.chill("first.test", "paused.test")
		w.router.lookUp = func(context.Context, string) error { time.Sleep(time.Minute); return nil }
		inForce := w.steeredBy(&rules{})
		w.start()
		w.publish(mail("someone@first.test"))
		w.settled()
		w.publishMany(200, "paused.test")
		w.settled()
		inForce.change(&rules{paused: []pausing{{area: area{domain: "paused.test"}}}})
		w.settled()
		require.Equal(t, map[string]int{"paused.test": 200}, w.parkedUnder(), "at once")
		w.sleep(2 * time.Minute)
		require.EqualValues(t, 1, w.router.asked.Load(), "of no use any more")
		inForce.change(nil)
		w.sleep(2 * time.Minute)
		require.Equal(t, 201, w.sender.count())
		w.shutDown()
	})
}

// A pause comes while mail flows: what is on the wire is finished, and nothing else begins.
func TestPauseWhileMailFlows(t *testing.T) {
	target := netip.MustParseAddr("203.0.113.1")
	for name, a := range map[string]area{"domain": {domain: "example.com"}, "tag": {tag: "t"}, "source": {source: ip1},
		"target": {target: target}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.router.addresses["mx.example.com"] = []netip.Addr{target}
				w.PathConnections = 5
				w.sender.mail = slow(3 * time.Second)
				inForce := w.steeredBy(&rules{})
				w.start()
				for i := range 300 {
					m := mail(fmt.Sprintf("r%d@example.com", i))
					m.Tags, m.IPs = []string{"t"}, []string{ip1.String()}
					w.publish(m)
				}
				w.sleep(16*time.Second + time.Second/2)
				begun := w.sender.count()
				inForce.change(&rules{paused: []pausing{{area: a, id: 1}}})
				w.sleep(time.Minute)
				require.Equal(t, begun, w.sender.count(), "nothing begins")
				require.Equal(t, begun, w.stats("success").Ready, "what was on the wire is finished")
				require.Zero(t, w.sender.alive.Load())
				require.Equal(t, 300-begun, w.stats("outbox").Parked)
				inForce.change(&rules{})
				w.sleep(5 * time.Minute)
				require.Equal(t, 300, w.stats("success").Ready)
				for _, m := range w.take("success") {
					require.Len(t, m.Results, 1)
				}
				w.shutDown()
			})
		})
	}
}

func TestForcedErrorReachesWhatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Throttle = &pacer{send: every(time.Minute, "maxmessages")}
		inForce := w.steeredBy(&rules{})
		w.start()
		w.publishMany(300, "example.com")
		w.sleep(time.Second)
		inForce.change(&rules{refused: []refusing{{area{domain: "example.com"}, delivery.Refusal{Code: 550}}}})
		w.sleep(time.Second)
		require.Equal(t, 299, w.stats("failure").Ready)
		w.shutDown()
	})
}

func TestPausedTargetLeavesTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
		w.router.route("site.test", []string{"site.test"}, "a.site.test", "b.site.test")
		w.router.addresses["a.site.test"] = []netip.Addr{a}
		w.router.addresses["b.site.test"] = []netip.Addr{b}
		w.Throttle = &pacer{limits: throttle.Limits{Connection: throttle.PerConnection{Idle: time.Hour}}}
		inForce := w.steeredBy(&rules{})
		w.start()
		w.publish(mail("1@site.test"))
		w.settled()
		inForce.change(&rules{paused: []pausing{{area: area{target: a}, id: 1}}})
		w.settled()
		require.Zero(t, w.sender.alive.Load(), "the idle connection ends")
		w.publishMany(50, "site.test")
		w.sleep(time.Second)
		require.Equal(t, 51, w.sender.count())
		for _, target := range w.sender.targets()[1:] {
			require.Equal(t, b.String(), target)
		}
		inForce.change(&rules{paused: []pausing{{area: area{target: a}, id: 1}, {area: area{target: b}, id: 2}}})
		w.publishMany(50, "site.test")
		w.sleep(time.Second)
		require.Equal(t, 51, w.sender.count())
		require.Equal(t, 50, w.stats("outbox").Parked, "there is no other")
		inForce.change(&rules{paused: []pausing{{area: area{target: a}, id: 1}}})
		w.sleep(5 * time.Second)
		require.Equal(t, 101, w.sender.count(), "when one of them is back")
		w.shutDown()
	})
}

// What a path had parked for want of room is left alone while it is paused, and comes back to it.
func TestPauseTakesOverWhatAPathHadParked(t *testing.T) {
	for name, a := range map[string]area{"domain": {domain: "example.com"}, "source": {source: ip1}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				l := w.withLedger()
				w.PathQueue, w.PathConnections = 20, 1
				w.sender.mail = slow(time.Second)
				w.Sources.Default = []netip.Addr{ip1}
				inForce := w.steeredBy(&rules{})
				w.start()
				w.publishMany(1000, "example.com")
				w.sleep(5 * time.Second)
				begun := w.sender.count()
				inForce.change(&rules{paused: []pausing{{area: a, id: 1}}})
				w.sleep(3 * time.Second)
				require.Equal(t, 1000-begun, w.stats("outbox").Parked)
				parks := l.parks()
				w.sleep(8 * time.Minute)
				require.Equal(t, parks, l.parks(), "no traffic")
				inForce.change(&rules{})
				w.sleep(20 * time.Minute)
				require.Equal(t, 1000, w.sender.count())
				require.Equal(t, 1000, w.stats("success").Ready)
				w.shutDown()
				l.closed(t)
			})
		})
	}
}

// A change of one of several pauses under one key frees what it held, and nothing else.
func TestPausesThatOverlap(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x, y := pausing{area: area{tag: "x"}, id: 1}, pausing{area: area{tag: "y", domain: "a.test"}, id: 2}
		inForce := w.steeredBy(&rules{paused: []pausing{x, y}})
		w.start()
		for i, tags := range [][]string{{"x"}, {"y"}, {"x", "y"}, nil} {
			for _, domain := range []string{"a.test", "b.test"} {
				m := mail(fmt.Sprintf("%d@%s", i, domain))
				m.Tags = tags
				w.publish(m)
			}
		}
		w.sleep(time.Second)
		require.ElementsMatch(t, []string{"1@b.test", "3@a.test", "3@b.test"}, w.sender.recipients())
		inForce.change(&rules{paused: []pausing{y}})
		w.sleep(time.Second)
		require.ElementsMatch(t, []string{"1@b.test", "3@a.test", "3@b.test", "0@a.test", "0@b.test", "2@b.test"},
			w.sender.recipients())
		inForce.change(&rules{paused: []pausing{{area: area{tag: "y", domain: "c.test"}, id: 2}}})
		w.sleep(time.Second)
		require.Equal(t, 8, w.sender.count(), "the pause is about another domain now")
		w.shutDown()
	})
}

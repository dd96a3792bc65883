package delivery_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// why asks about a message of the outbox.
func (w *world) why(id string) delivery.Why {
	w.t.Helper()
	inspector := w.queue.(queue.Inspector)
	entries, _, err := inspector.List(context.Background(), queue.Filter{Queue: "outbox", ID: id}, "", 1)
	require.NoError(w.t, err)
	require.Len(w.t, entries, 1)
	m, err := inspector.Peek(context.Background(), id)
	require.NoError(w.t, err)
	return w.Why(context.Background(), m, &entries[0])
}

// afterAll makes connections that stand when all messages are read, so that it is certain which of them they take.
func afterAll(context.Context, *delivery.Hop, int) error {
	time.Sleep(time.Millisecond)
	return nil
}

func TestWhyIsItStillHere(t *testing.T) {
	const id = "r5@example.com"
	limited := throttle.Limits{Domain: throttle.Rates{Messages: 1}, Origin: map[string]string{"maxmessages": "Gmail warm"}}
	tests := map[string]struct {
		arrange func(w *world)
		place   delivery.Place
		cause   delivery.Cause
		text    string
	}{
		"paused": {
			arrange: func(w *world) { w.steeredBy(&rules{paused: []pausing{{area: area{domain: "example.com"}, id: 3}}}) },
			place:   delivery.SetAside, cause: delivery.ByPause, text: "waits: pause holds it until it is lifted",
		},
		"paused for a while": {
			arrange: func(w *world) {
				w.steeredBy(&rules{paused: []pausing{{area: area{domain: "example.com"}, until: time.Now().Add(10 * time.Minute)}}})
			},
			place: delivery.SetAside, cause: delivery.ByPause, text: "waits: pause holds it, for another 10 min",
		},
		"paused target": {
			arrange: func(w *world) {
				target := netip.MustParseAddr("203.0.113.1")
				w.router.addresses["mx.example.com"] = []netip.Addr{target}
				w.steeredBy(&rules{paused: []pausing{{area: area{target: target}, id: 3}}})
			},
			place: delivery.SetAside, cause: delivery.ByPause, text: "waits: pause holds it until it is lifted",
		},
		"throttled": {
			arrange: func(w *world) {
				w.Throttle = &pacer{limits: limited, send: func() func(throttle.Path, netip.Addr) throttle.Wait {
					wait := every(time.Minute, "maxmessages")
					return func(p throttle.Path, a netip.Addr) throttle.Wait {
						w := wait(p, a)
						if !w.Zero() {
							w.Rule = "Gmail warm"
						}
						return w
					}
				}()}
			},
			place: delivery.InMemory, cause: delivery.ByLimit,
			text: "waits: “Gmail warm” allows 1 message a minute; about 4 min",
		},
		"throttled target": {
			arrange: func(w *world) {
				wait := every(time.Minute, "ip_maxmessages")
				w.Throttle = &pacer{limits: throttle.Limits{Target: throttle.Rates{Messages: 30}}, send: wait}
			},
			place: delivery.InMemory, cause: delivery.ByLimit,
			text: "waits: “test” allows 30 messages a minute to each address; about 8 s",
		},
		"throttled bytes": {
			arrange: func(w *world) {
				w.Throttle = &pacer{limits: throttle.Limits{Domain: throttle.Rates{Bytes: 5000}},
					send: every(time.Minute, "maxbytes")}
			},
			place: delivery.InMemory, cause: delivery.ByLimit,
			text: "waits: “test” allows 5,000 bytes a minute; 4 messages are before it",
		},
		"flood": {
			arrange: func(w *world) {
				w.Throttle = &pacer{send: func(throttle.Path, netip.Addr) throttle.Wait {
					return throttle.Wait{For: time.Hour, Limit: "pause", Rule: "flood too many"}
				}}
			},
			place: delivery.InMemory, cause: delivery.ByFlood,
			text: "waits: “flood too many” holds mail from here to example.com, for another 60 min",
		},
		"off-line": {
			arrange: func(w *world) {
				w.sender.open = func(context.Context, *delivery.Hop,
					int) error {
					return failure(queue.StateConnect, queue.Timeout, 0)
				}
				w.Throttle = &pacer{limits: throttle.Limits{Connection: throttle.PerConnection{Offline: 100 * time.Second}}}
			},
			place: delivery.InMemory, cause: delivery.ByBackOff,
			text: "waits: example.com could not be reached (connect timeout: no); next attempt in 99 s",
		},
		"being looked up": {
			arrange: func(w *world) {
				w.router.chill("example.com")
				w.router.lookUp = func(context.Context, string) error { time.Sleep(time.Minute); return nil }
			},
			place: delivery.LookingUp, cause: delivery.ByLookUp, text: "waits: the hosts of example.com are being looked up",
		},
		"no slot": {
			arrange: func(w *world) {
				w.Slots = throttle.NewSlots(1, 0, 0).Outgoing()
				w.sender.mail = slow(time.Hour)
				w.publish(mail("x@other.test"))
			},
			place: delivery.InMemory, cause: delivery.BySlot, text: "waits: all outgoing connections are taken",
		},
		"connecting": {
			arrange: func(w *world) {
				w.sender.open = func(context.Context, *delivery.Hop, int) error { time.Sleep(time.Minute); return nil }
			},
			place: delivery.InMemory, cause: delivery.ByConnect, text: "waits: a connection to example.com is being made",
		},
		"others first": {
			arrange: func(w *world) { w.sender.mail, w.PathConnections, w.sender.open = slow(time.Hour), 1, afterAll },
			place:   delivery.InMemory, cause: delivery.ByTurn, text: "waits for its turn; 3 messages are before it",
		},
		"being sent": {
			arrange: func(w *world) {
				w.Throttle = &pacer{limits: throttle.Limits{Connection: throttle.PerConnection{MinMessages: 1}}}
				w.sender.mail = slow(time.Hour)
			},
			place: delivery.OnTheWire, cause: delivery.BySending, text: "is being sent, or its result is being stored",
		},
		"retry": {
			arrange: func(w *world) { w.sender.mail = replying(450, "full"); w.Retry.Intervals = []time.Duration{time.Hour} },
			place:   delivery.Delayed, cause: delivery.ByRetry,
			text: "waits for its next attempt (the last answer was 450 full); next attempt in 60 min",
		},
		"parked beyond memory": {
			arrange: func(w *world) {
				w.sender.mail, w.PathConnections, w.PathQueue = slow(time.Hour), 1, 3
				w.sender.open = afterAll
			},
			place: delivery.SetAside, cause: delivery.ByTurn, text: "waits for its turn; one message is before it",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				test.arrange(w)
				begun := time.Now()
				w.publishMany(6, "example.com")
				w.start()
				w.sleep(time.Second)
				why := w.why(id)
				require.Equal(t, test.text, why.Text, "%+v", why.Paths)
				require.Equal(t, test.place, why.Place)
				require.Equal(t, test.cause, why.Cause)
				require.Equal(t, "example.com", why.Site)
				require.Equal(t, begun, why.Since)
			})
		})
	}
}

func TestWhyOfAMessageThatIsNotToBeSentYet(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start()
		m := mail("someone@example.com")
		m.NextAttempt = time.Now().Add(5 * time.Hour)
		w.publish(m)
		w.settled()
		why := w.why(m.ID)
		require.Equal(t, delivery.BySchedule, why.Cause)
		require.Equal(t, m.NextAttempt.UTC(), why.Until.UTC())
		require.Equal(t, "is not to be sent yet; next attempt in 5 h", why.Text)
	})
}

func TestWhyOfAMessageThatWasNotReadYet(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := mail("someone@example.com")
		w.publish(m)
		why := w.why(m.ID)
		require.Equal(t, delivery.InQueue, why.Place)
		require.Equal(t, "waits for its turn", why.Text)
		inForce := w.steeredBy(&rules{})
		inForce.change(&rules{paused: []pausing{{area: area{domain: "example.com"}}}})
		require.Equal(t, delivery.ByPause, w.why(m.ID).Cause)
	})
}

// Asking about a message changes nothing, not even where the next one leaves from.
func TestAskingTakesNoTurn(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Sources.Default = []netip.Addr{ip1, ip2}
		w.Sources.Local = func() []netip.Addr { return w.Sources.Default }
		w.steeredBy(&rules{})
		w.start()
		for i := range 10 {
			w.publish(mail(fmt.Sprintf("r%d@example.com", i)))
			w.settled()
			w.Why(context.Background(), mail("later@example.com"), nil)
		}
		from := map[netip.Addr]int{}
		for _, e := range w.events.all(monitor.Delivered) {
			from[e.MTA]++
		}
		require.Equal(t, map[netip.Addr]int{ip1: 5, ip2: 5}, from)
		w.shutDown()
	})
}

// TestWhyTellsWhatAMessageDemands says of a message that waits how it has to be carried.
func TestWhyTellsWhatAMessageDemands(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.steeredBy(&rules{paused: []pausing{{area: area{domain: "example.com"}, id: 3}}})
		w.start()
		m := confidential("r1@example.com")
		w.publish(m)
		w.settled()
		require.Equal(t, "waits: pause holds it until it is lifted; it goes only over verified TLS, to hosts that offer "+
			"REQUIRETLS", w.why("r1@example.com").Text)
	})
}

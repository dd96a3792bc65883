package delivery_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

var (
	ip1 = netip.MustParseAddr("192.0.2.1")
	ip2 = netip.MustParseAddr("192.0.2.2")
	ip3 = netip.MustParseAddr("192.0.2.3")
)

func TestSteeringDecidesBeforeTheAttempt(t *testing.T) {
	tests := map[string]struct {
		steering rules
		change   func(*queue.Message)
		want     string
	}{
		"suppressed": {
			steering: rules{suppressed: func(string) (delivery.Refusal, bool) {
				return delivery.Refusal{Code: 550, Status: "5.7.1", Description: "no"}, true
			}},
			want: "suppression/error 550",
		},
		"rewrite fails it": {
			steering: rules{rewrite: func(*queue.Message) delivery.Decision {
				return delivery.Decision{Fail: &delivery.Refusal{Code: 554, Description: "no"}}
			}},
			want: "rewrite/error 554",
		},
		"rewrite makes it impossible": {
			steering: rules{rewrite: func(m *queue.Message) delivery.Decision {
				m.Recipient = "nobody at all"
				return delivery.Decision{}
			}},
			want: "rewrite/invalid 550",
		},
		"forced error for the domain": {
			steering: rules{refused: []refusing{{area{domain: "example.com"},
				delivery.Refusal{Code: 571, Status: "5.7.1", Description: "no"}}}},
			want: "process/error 571",
		},
		"forced error for a tag": {
			steering: rules{refused: []refusing{{area{tag: "a"},
				delivery.Refusal{Code: 551, Status: "5.7.1", Description: "no"}}}},
			change: func(m *queue.Message) { m.Tags = []string{"b", "a"} },
			want:   "process/error 551",
		},
		"forced error for every address": {
			steering: rules{refused: []refusing{{area{source: ip1}, delivery.Refusal{Code: 550}},
				{area{source: ip2}, delivery.Refusal{Code: 550}}}},
			change: func(m *queue.Message) {
				m.IPs = []string{ip1.String(), ip2.String()}
			},
			want: "process/error 550",
		},
		"forced error for the target": {
			steering: rules{refused: []refusing{{area{target: netip.MustParseAddr("203.0.113.1")},
				delivery.Refusal{Code: 550}}}},
			want: "process/error 550",
		},
		"no such pool": {
			change: func(m *queue.Message) { m.Pool = "p" },
			want:   "bind/error 550",
		},
		"redirected to an address that is not here": {
			steering: rules{redirects: map[netip.Addr]netip.Addr{ip1: netip.MustParseAddr("192.0.2.99")}},
			change:   func(m *queue.Message) { m.IPs = []string{ip1.String()} },
			want:     "bind/error 550",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Sources.Local = func() []netip.Addr { return []netip.Addr{ip1, ip2, ip3} }
				w.router.addresses["mx.example.com"] = []netip.Addr{netip.MustParseAddr("203.0.113.1")}
				w.steeredBy(&test.steering)
				w.start()
				m := mail("someone@example.com")
				if test.change != nil {
					test.change(m)
				}
				w.publish(m)
				w.settled()
				failed := w.one("failure")
				require.Equal(t, []string{test.want}, pairs(failed))
				require.Zero(t, w.sender.opened.Load(), "nothing goes over the wire")
				require.Equal(t, 1, w.events.count(monitor.NotTried))
				w.shutDown()
			})
		})
	}
}

// A forced error of 4yz is an answer like that of a remote: mail is tried again after its intervals, for as long as it
// lasts, and goes when the error is gone.
func TestForcedErrorForNow(t *testing.T) {
	target := netip.MustParseAddr("203.0.113.1")
	for name, refused := range map[string][]refusing{
		"domain": {{area{domain: "example.com"},
			delivery.Refusal{Code: 451, Status: "4.7.1", Description: "not today"}}},
		"target": {{area{target: target}, delivery.Refusal{Code: 451}}},
		"addresses, one refused for good": {{area{source: ip1}, delivery.Refusal{Code: 550}},
			{area{source: ip2}, delivery.Refusal{Code: 451}}},
		"addresses, the first one for now": {{area{source: ip1}, delivery.Refusal{Code: 451}},
			{area{source: ip2}, delivery.Refusal{Code: 550}}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Retry.Intervals = []time.Duration{time.Minute, time.Hour}
				w.Sources.Local = func() []netip.Addr { return []netip.Addr{ip1, ip2} }
				w.Sources.Default = w.Sources.Local()
				w.router.addresses["mx.example.com"] = []netip.Addr{target}
				inForce := w.steeredBy(&rules{refused: refused})
				w.start()
				w.publish(mail("someone@example.com"))
				brief := mail("brief@example.com")
				brief.MaxDeliverTime = time.Now().Add(30 * time.Second)
				w.publish(brief)
				w.settled()
				require.Equal(t, 2, w.stats("retry").Ready)
				require.Equal(t, 2, w.stats("outbox").Delayed)
				w.sleep(31 * time.Second)
				require.Equal(t, []string{"process/error 451", "process/timeout 554"}, pairs(w.one("failure")),
					"it is not kept beyond its time")
				w.sleep(30 * time.Second)
				require.Equal(t, 3, w.stats("retry").Ready)
				inForce.change(&rules{})
				w.sleep(59 * time.Minute)
				require.Zero(t, w.sender.opened.Load())
				w.sleep(2 * time.Minute)
				require.Equal(t, []string{"process/error 451", "process/error 451", "message/accepted 250"},
					pairs(w.one("success")))
				w.shutDown()
			})
		})
	}
}

func TestRewriteDelaysOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.steeredBy(&rules{rewrite: func(m *queue.Message) delivery.Decision {
			m.Tags = []string{"late"}
			return delivery.Decision{Rule: "rewrite 1", Delay: time.Hour}
		}})
		w.start()
		w.publish(mail("a@example.com"))
		short := mail("b@example.com")
		short.MaxDeliverTime = time.Now().Add(time.Minute)
		w.publish(short)
		w.sleep(59*time.Minute + 30*time.Second)
		require.Equal(t, []string{"process/timeout 554"}, pairs(w.one("failure")), "no longer than its time lasts")
		require.Zero(t, w.sender.count())
		w.sleep(time.Minute)
		m := w.one("success")
		require.Equal(t, []string{"message/accepted 250"}, pairs(m), "waiting is no attempt")
		require.Equal(t, []string{"late"}, m.Tags)
		w.shutDown()
	})
}

func TestRewrittenRecipientIsWhereItGoes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.steeredBy(&rules{rewrite: func(m *queue.Message) delivery.Decision {
			m.Recipient, m.Tags = "someone@other.test", []string{"moved"}
			return delivery.Decision{}
		}})
		w.start()
		w.publish(mail("someone@example.com"))
		w.settled()
		require.Equal(t, []string{"someone@other.test"}, w.sender.recipients())
		require.Equal(t, "other.test", w.sender.hops[0].Domain)
		left := w.events.all(monitor.Left)[0]
		require.Equal(t, "example.com", left.Domain, "as when it was picked")
		require.Empty(t, left.Tags)
		w.shutDown()
	})
}

func TestPoolsAndRedirects(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Sources.Local = func() []netip.Addr { return []netip.Addr{ip1, ip3} }
		inForce := w.steeredBy(&rules{pools: map[string][]netip.Addr{"p": {ip1, ip2}}})
		w.start()
		m := mail("someone@example.com")
		m.Pool = "p"
		w.publish(m)
		w.settled()
		require.Equal(t, ip1, w.sender.hops[0].Source, "the one that is here")
		inForce.change(&rules{pools: map[string][]netip.Addr{"p": {ip1}}, redirects: map[netip.Addr]netip.Addr{ip1: ip3}})
		m.ID = "2"
		w.publish(m)
		w.settled()
		require.Equal(t, ip3, w.sender.hops[1].Source)
		told := w.events.all(monitor.Reassigned)
		require.Len(t, told, 1)
		require.Equal(t, ip1, told[0].MTA, "from where it was to leave")
		w.shutDown()
	})
}

func TestAddressesThatNothingIsAgainstAreTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.steeredBy(&rules{
			refused: []refusing{{area{source: ip1}, delivery.Refusal{Code: 550}}},
			paused:  []pausing{{area: area{source: ip2}}},
		})
		w.start()
		for i := range 10 {
			m := mail(fmt.Sprintf("r%d@example.com", i))
			m.IPs = []string{ip1.String(), ip2.String(), ip3.String()}
			w.publish(m)
		}
		w.settled()
		require.Equal(t, 10, w.stats("success").Ready)
		for _, h := range w.sender.hops {
			require.Equal(t, ip3, h.Source)
		}
		w.shutDown()
	})
}

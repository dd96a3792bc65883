package delivery_test

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// responding makes rules that decide the same about every reply.
func responding(d delivery.Decision) *rules {
	return &rules{respond: func(*delivery.Selection, *queue.Message, *queue.Result, string) delivery.Decision { return d }}
}

func yes() *bool { b := true; return &b }
func no() *bool  { return new(bool) }

// replying answers every mail with a code.
func replying(code int, text string) func(context.Context, *conn, *delivery.Transaction) {
	return func(_ context.Context, c *conn, tx *delivery.Transaction) { c.reply(tx, queue.StateRcptTo, code, text) }
}

func TestRulesForReplies(t *testing.T) {
	hour := time.Hour
	tests := map[string]struct {
		code     int
		decision delivery.Decision
		want     string // its result
		after    time.Duration
	}{
		"nothing, 4yz": {code: 450, want: "rcptto/error 450", after: time.Minute},
		"nothing, 5yz": {code: 550, want: "rcptto/error 550"},
		"fail": {code: 450, decision: delivery.Decision{Fail: &delivery.Refusal{Code: 599}},
			want: "rcptto/error 599"},
		"fail comes first": {code: 450, decision: delivery.Decision{Fail: &delivery.Refusal{Code: 599}, Delay: hour},
			want: "rcptto/error 599"},
		"fail after success": {code: 250, decision: delivery.Decision{Fail: &delivery.Refusal{Code: 599}},
			want: "rcptto/error 599"},
		"delay":               {code: 450, decision: delivery.Decision{Delay: hour}, want: "rcptto/error 450", after: hour},
		"delay, 5yz":          {code: 550, decision: delivery.Decision{Delay: hour}, want: "rcptto/error 550", after: hour},
		"delay after success": {code: 250, decision: delivery.Decision{Delay: hour}, want: "rcptto/accepted 250"},
		"fatal":               {code: 450, decision: delivery.Decision{Fatal: yes()}, want: "rcptto/error 450"},
		"fatal with a delay":  {code: 450, decision: delivery.Decision{Fatal: yes(), Delay: hour}, want: "rcptto/error 450"},
		"not fatal": {code: 550, decision: delivery.Decision{Fatal: no()}, want: "rcptto/error 550",
			after: time.Minute},
		"greylisted": {code: 450, decision: delivery.Decision{Greylisted: yes()}, want: "rcptto/error 450",
			after: 7 * time.Minute},
		"greylisted, 5yz": {code: 550, decision: delivery.Decision{Greylisted: yes()}, want: "rcptto/error 550",
			after: 7 * time.Minute},
		"fallback to nowhere": {code: 450, decision: delivery.Decision{Fallback: yes()}, want: "rcptto/error 450",
			after: time.Minute},
		"fallback, 5yz": {code: 550, decision: delivery.Decision{Fallback: yes()}, want: "rcptto/error 550"},
		"individual, 421": {code: 421, decision: delivery.Decision{Individual: yes()}, want: "rcptto/error 421",
			after: time.Minute},
		"the path's, at a 450": {code: 450, decision: delivery.Decision{Individual: no()}, want: "rcptto/error 450",
			after: time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Retry.Intervals = []time.Duration{time.Minute}
				w.Throttle = &pacer{limits: throttle.Limits{Greylist: throttle.Greylist{Delay: 7 * time.Minute}}}
				w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
					c.reply(tx, queue.StateRcptTo, test.code, "words")
					if test.code == 250 {
						tx.Result.State = queue.StateMessage
					}
				}
				w.steeredBy(responding(test.decision))
				w.start()
				w.publish(mail("someone@example.com"))
				w.settled()
				where := "results"
				if test.after > 0 {
					where = "retry"
				}
				m := w.one(where)
				require.Equal(t, strings.ReplaceAll(test.want, "rcptto/accepted", "message/accepted"),
					strings.Replace(last(m), "message/error", "rcptto/error", 1))
				w.sleep(test.after - time.Second)
				require.Equal(t, 1, w.sender.count())
				w.sleep(2 * time.Second)
				if test.after > 0 {
					require.Equal(t, 2, w.sender.count(), "after exactly that time")
				} else {
					w.sleep(2 * time.Hour)
					require.Equal(t, 1, w.sender.count())
				}
			})
		})
	}
}

func TestRulesSeeTheReply(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var asked []string
		w.steeredBy(&rules{respond: func(s *delivery.Selection, m *queue.Message, r *queue.Result,
			text string) (d delivery.Decision) {
			asked = append(asked, s.Domain+" "+s.Target.String()+" "+strconv.Itoa(r.Code)+" "+text)
			m.Tags = []string{"seen"}
			r.Description = "changed"
			return d
		}})
		w.router.addresses["mx.example.com"] = []netip.Addr{netip.MustParseAddr("203.0.113.1")}
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.accept(tx)
			tx.Text = "250-several\nlines"
		}
		w.start()
		w.publish(mail("someone@example.com"))
		w.settled()
		require.Equal(t, []string{"example.com 203.0.113.1 250 250-several\nlines"}, asked)
		m := w.one("success")
		require.Equal(t, []string{"seen"}, m.Tags)
		require.Equal(t, "changed", m.Results[0].Description)
		w.shutDown()
	})
}

func TestRulesForConnectionsThatFail(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.open = func(context.Context, *delivery.Hop, int) error {
			f := failure(queue.StateIntro, queue.Error, 554)
			f.Result.Description = "go away"
			return f
		}
		w.steeredBy(&rules{respond: func(_ *delivery.Selection, _ *queue.Message, _ *queue.Result,
			text string) (d delivery.Decision) {
			if text == "go away" {
				d.Delay = time.Hour
			}
			return d
		}})
		w.start()
		w.publish(mail("someone@example.com"))
		w.settled()
		require.Equal(t, "intro/error 554", last(w.one("retry")))
		w.shutDown()
	})
}

// A remote that turns everybody away at the door says nothing about any message: none fails by chance, unless a rule
// says that it is final, and then none of those that wait is left.
func TestRemoteThatTurnsEverybodyAway(t *testing.T) {
	for _, state := range []queue.ResultState{queue.StateIntro, queue.StateEHLO, queue.StateHELO} {
		away := func(t *testing.T, rules *rules, f func(w *world, back *atomic.Bool)) {
			inBubble(t, func(t *testing.T, w *world) {
				var back atomic.Bool
				w.Retry.Intervals = []time.Duration{time.Minute}
				w.sender.open = func(context.Context, *delivery.Hop, int) error {
					if back.Load() {
						return nil
					}
					return failure(state, queue.Error, 554)
				}
				w.steeredBy(rules)
				w.publishMany(100, "example.com")
				w.start()
				f(w, &back)
				w.shutDown()
			})
		}
		t.Run(string(state)+", then it works again", func(t *testing.T) {
			away(t, &rules{}, func(w *world, back *atomic.Bool) {
				w.sleep(5 * time.Hour)
				require.Zero(t, w.stats("failure").Ready)
				back.Store(true)
				w.sleep(20 * time.Minute)
				require.Equal(t, 100, w.stats("success").Ready)
			})
		})
		t.Run(string(state)+", until mail expires", func(t *testing.T) {
			away(t, &rules{}, func(w *world, _ *atomic.Bool) {
				w.sleep(24*time.Hour - time.Minute)
				require.Zero(t, w.stats("failure").Ready)
				w.sleep(30 * time.Minute)
				require.Equal(t, 100, w.stats("failure").Ready)
			})
		})
		t.Run(string(state)+", final by a rule", func(t *testing.T) {
			away(t, responding(delivery.Decision{Fatal: yes()}), func(w *world, _ *atomic.Bool) {
				w.sleep(2 * time.Minute)
				require.Equal(t, 100, w.stats("failure").Ready)
			})
		})
	}
}

func TestIndividualTellsWhoWaits(t *testing.T) {
	for name, test := range map[string]struct {
		individual *bool
		code       int
		sent       int
	}{
		"421 delays the path":              {nil, 421, 1},
		"421 of the message alone":         {yes(), 421, 10},
		"450 concerns the message":         {nil, 450, 10},
		"450 that concerns the whole path": {no(), 450, 2}, // one was begun
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.PathConnections, w.sender.open = 1, afterAll
				w.sender.mail = replying(test.code, "no")
				w.steeredBy(responding(delivery.Decision{Individual: test.individual}))
				w.publishMany(10, "example.com")
				w.start()
				w.sleep(10 * time.Second)
				require.Equal(t, test.sent, w.sender.count())
				require.Equal(t, test.sent, w.stats("retry").Ready, "each of them was an attempt")
				w.sleep(10 * time.Minute)
				require.GreaterOrEqual(t, w.sender.count(), 3, "it goes on")
				w.shutDown()
			})
		})
	}
}

func TestStrangeRepliesAreCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.mail = replying(450, "what?")
		inForce := w.steeredBy(responding(delivery.Decision{Strange: yes()}))
		w.start()
		w.publish(mail("someone@example.com"))
		w.settled()
		require.Equal(t, 1, w.events.count(monitor.Strange))
		inForce.change(responding(delivery.Decision{Strange: no()}))
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.reply(tx, queue.StateRcptTo, 450, "what?")
			tx.Result.Result = queue.Invalid
		}
		w.publish(mail("other@example.com"))
		w.settled()
		require.Equal(t, 1, w.events.count(monitor.Strange))
		w.shutDown()
	})
}

func TestFallbackTriesTheOtherHosts(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.router.route("site.test", []string{"site.test"}, "a.site.test", "b.site.test", "c.site.test")
		for i, host := range []string{"a.site.test", "b.site.test", "c.site.test"} {
			w.router.addresses[host] = []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, byte(i + 1)})}
		}
		accepts := "c.site.test"
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			if c.hop.Host == accepts {
				c.accept(tx)
				return
			}
			c.reply(tx, queue.StateRcptTo, 450, "not here")
		}
		w.steeredBy(responding(delivery.Decision{Fallback: yes()}))
		w.start()
		w.publish(mail("1@site.test"))
		w.settled()
		require.Equal(t, []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"}, w.sender.targets())
		require.Equal(t, []string{"message/accepted 250"}, pairs(w.one("success")), "it counts as one attempt")
		accepts = ""
		w.publish(mail("2@site.test"))
		w.settled()
		require.Equal(t, []string{"rcptto/error 450"}, pairs(w.one("retry")))
		require.Equal(t, 6, w.sender.count())
		w.shutDown()
	})
}

// What one host lacks another one may have: each is tried before a mail fails that needs it.
func TestMailThatOneHostCannotTakeGoesToAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.router.route("site.test", []string{"site.test"}, "a.site.test", "b.site.test")
		for i, host := range []string{"a.site.test", "b.site.test"} {
			w.router.addresses[host] = []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, byte(i + 1)})}
		}
		able := "b.site.test"
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			if c.hop.Host == able {
				c.accept(tx)
				return
			}
			c.reply(tx, queue.StateMailFrom, 553, "needs SMTPUTF8")
			tx.Elsewhere = true
		}
		w.start()
		w.publish(mail("1@site.test"))
		w.settled()
		require.Equal(t, []string{"message/accepted 250"}, pairs(w.one("success")))
		able = ""
		w.publish(mail("2@site.test"))
		w.settled()
		require.Equal(t, []string{"mailfrom/error 553"}, pairs(w.one("failure")))
		require.Equal(t, []string{"203.0.113.1", "203.0.113.2"}, w.sender.targets())
		w.shutDown()
	})
}

func TestGreylistingIsRetriedAfterItsDelay(t *testing.T) {
	for text, after := range map[string]time.Duration{
		"4.7.1 Greylisted, please come back": 5 * time.Minute,
		"Greylisting in action":              5 * time.Minute,
		"mailbox busy":                       time.Hour,
	} {
		t.Run(text, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Retry.Intervals = []time.Duration{time.Hour}
				w.Throttle = &pacer{limits: throttle.Limits{Greylist: throttle.Greylist{Delay: 5 * time.Minute}}}
				w.sender.mail = replying(451, text)
				w.start()
				w.publish(mail("someone@example.com"))
				w.sleep(after - time.Second)
				require.Equal(t, 1, w.sender.count())
				w.sleep(2 * time.Second)
				require.Equal(t, 2, w.sender.count())
				w.shutDown()
			})
		})
	}
}

func TestGreylistingWaitsForTheSameAddress(t *testing.T) {
	for name, same := range map[string]bool{"same": true, "any": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Throttle = &pacer{limits: throttle.Limits{Greylist: throttle.Greylist{Delay: time.Minute, SameIP: same}}}
				w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
					c.reply(tx, queue.StateRcptTo, 451, "greylisted")
					tx.Result.From = c.hop.Source.String()
				}
				inForce := w.steeredBy(&rules{})
				w.start()
				m := mail("someone@example.com")
				m.IPs = []string{ip1.String(), ip2.String()}
				w.publish(m)
				w.settled()
				first := w.sender.hops[0].Source
				inForce.change(&rules{paused: []pausing{{area: area{source: first}}}})
				w.sleep(90 * time.Second)
				if !same {
					require.Equal(t, 2, w.sender.count())
					require.NotEqual(t, first, w.sender.hops[1].Source)
					return
				}
				require.Equal(t, 1, w.sender.count())
				require.Equal(t, 1, w.stats("outbox").Parked)
				inForce.change(&rules{})
				w.sleep(time.Second)
				require.Equal(t, 2, w.sender.count())
				require.Equal(t, first, w.sender.hops[1].Source)
				w.shutDown()
			})
		})
	}
}

package delivery_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

func TestMailThatIsNotTried(t *testing.T) {
	text := "a string"
	tests := []struct {
		name   string
		change func(*queue.Message)
		engine func(*delivery.Engine)
		want   string // the last result, or "sent"
		says   string
	}{
		{"expired", func(m *queue.Message) { m.MaxDeliverTime = time.Now().Add(-time.Second) }, nil, "process/timeout 554",
			""},
		{"attempts used up", func(m *queue.Message) { m.MaxAttempts, m.Results = 2, make([]queue.Result, 2) }, nil,
			"process/timeout 554", ""},
		{"configured attempts used up", func(m *queue.Message) { m.Results = make([]queue.Result, 3) },
			func(e *delivery.Engine) { e.Retry.MaxAttempts = 3 }, "process/timeout 554", ""},
		{"unlimited attempts of its own", func(m *queue.Message) { m.MaxAttempts, m.Results = -1, make([]queue.Result, 3) },
			func(e *delivery.Engine) { e.Retry.MaxAttempts = 3 }, "sent", ""},
		{"no recipient", func(m *queue.Message) { m.Recipient = "" }, nil, "process/invalid 550", `recipient ""`},
		{"recipient without domain", func(m *queue.Message) { m.Recipient = "someone" }, nil, "process/invalid 550", "no @"},
		{"strict recipient", func(m *queue.Message) { m.Recipient = "some..one@example.com" }, nil, "process/invalid 550",
			"local part"},
		{"loose recipient", func(m *queue.Message) { m.Recipient = "some..one@example.com" },
			func(e *delivery.Engine) { e.LooseRecipient = true }, "sent", ""},
		{"loose recipient, impossible", func(m *queue.Message) { m.Recipient = "a>\r\nDATA@example.com" },
			func(e *delivery.Engine) { e.LooseRecipient = true }, "process/invalid 550", "control"},
		{"strict envelope", func(m *queue.Message) { m.Envelope = "se..nder@example.com" }, nil, "process/invalid 550",
			"envelope"},
		{"loose envelope", func(m *queue.Message) { m.Envelope = "se..nder@example.com" },
			func(e *delivery.Engine) { e.LooseEnvelope = true }, "sent", ""},
		{"null sender", func(m *queue.Message) { m.Envelope = "" }, nil, "sent", ""},
		{"non-ASCII recipient", func(m *queue.Message) { m.Recipient = "käthe@bücher.example" }, nil, "sent", ""},
		{"suppressed", nothing, suppress("someone@example.com"), "suppression/error 551", "asked us to stop"},
		{"somebody else is suppressed", nothing, suppress("another@example.com"), "sent", ""},
		{"no mail", func(m *queue.Message) { m.Body = nil }, nil, "process/invalid 554", "expected a mail"},
		{"mail in a store", func(m *queue.Message) { m.Body, m.Key = nil, "k1" }, nil, "storage/error 554", `"k1"`},
		{"mail to be composed", func(m *queue.Message) { m.Body, m.Compose = nil, json.RawMessage(`{"text":"x"}`) }, nil,
			"responsive/error 554", "object"},
		{"personalisation", func(m *queue.Message) { m.Data = json.RawMessage(`{"name":"x"}`) }, nil, "personalize/error 554",
			"personalisation"},
		{"personalisation, forced", func(m *queue.Message) { m.Data, m.Force = json.RawMessage(`{"name":"x"}`), true }, nil,
			"sent", ""},
		{"styles to be moved", func(m *queue.Message) { m.InlineCSS = true }, nil, "responsive/error 554", "inlinecss"},
		{"styles to be moved, forced", func(m *queue.Message) { m.InlineCSS, m.Force = true, true }, nil, "sent", ""},
		{"addresses that are not here", func(m *queue.Message) { m.IPs = []string{"192.0.2.9", "nonsense"} },
			func(e *delivery.Engine) {
				e.Sources.Local = func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.1")} }
			}, "bind/error 550", "none of the addresses"},
		{"no addresses at all", func(m *queue.Message) { m.IPs = []string{} }, nil, "bind/error 550", "no address at all"},
		{"empty pool", func(m *queue.Message) { m.Pool = "bulk" }, nil, "bind/error 550", "pool"},
		{"only the wrong family", func(m *queue.Message) { m.IPs = []string{"2001:db8::1"} }, nil, "process/error 550",
			"family"},
		{"queues of its own", func(m *queue.Message) {
			m.Recipient, m.Queues = "someone", &queue.Queues{Failure: &text}
		}, nil, "process/invalid 550", "no @"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				if test.engine != nil {
					test.engine(w.Engine)
				}
				m := mail("someone@example.com")
				test.change(m)
				w.start()
				w.publish(m)
				w.sleep(time.Second)
				if test.want == "sent" {
					require.Equal(t, 1, w.stats("success").Ready)
					return
				}
				name := "failure"
				if m.Queues != nil {
					name = *m.Queues.Failure
				}
				failed := w.one(name)
				require.Equal(t, test.want, last(failed))
				require.Contains(t, failed.Results[len(failed.Results)-1].Description, test.says)
				require.Equal(t, failed, w.one("results"))
				require.Zero(t, w.sender.count())
				require.Zero(t, w.left("outbox"))
				require.Equal(t, 1, w.events.count(monitor.NotTried))
				require.Zero(t, w.events.count(monitor.Attempted))
				w.shutDown()
			})
		})
	}
}

func TestWhatCannotBeDecoded(t *testing.T) {
	tests := []struct {
		name   string
		change func(*queue.Delivery)
		want   string
		check  func(*testing.T, *queue.Message)
	}{
		{"garbage", func(d *queue.Delivery) {
			d.Message, d.Raw, d.Err = nil, []byte("{\x00\"\xff"), &queue.SyntaxError{Offset: 1, Reason: "NUL"}
		}, "process/invalid 554", func(t *testing.T, m *queue.Message) {
			var text string
			require.NoError(t, json.Unmarshal(m.Extra["raw"], &text))
			raw, err := base64.StdEncoding.DecodeString(text)
			require.NoError(t, err)
			require.Equal(t, "{\x00\"\xff", string(raw))
			require.Empty(t, m.Recipient)
		}},
		{"property", func(d *queue.Delivery) {
			d.Err = &queue.PropertyError{Property: "maxattempts", Want: "a number", Got: `the string "x"`}
		}, "process/invalid 554", func(t *testing.T, m *queue.Message) {
			require.Contains(t, m.Results[0].Description, "maxattempts")
			require.Equal(t, "someone@example.com", m.Recipient)
		}},
		{"damage", func(d *queue.Delivery) { d.Message.Body, d.Err = nil, &queue.DamageError{Reason: "checksum"} },
			"storage/lost 554", func(t *testing.T, m *queue.Message) {
				require.Contains(t, m.Results[0].Description, "checksum")
			}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.withLedger().change = test.change
				w.start()
				w.publish(mail("someone@example.com"))
				w.settled()
				require.Zero(t, w.sender.count())
				m := w.one("failure")
				require.Equal(t, []string{test.want}, pairs(m))
				test.check(t, m)
				require.Zero(t, w.left("outbox"))
				w.shutDown()
			})
		})
	}
}

func TestNoAttemptAfterTheDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Retry = delivery.RetryPolicy{Intervals: []time.Duration{25 * time.Minute}, Lifetime: time.Hour}
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.reply(tx, queue.StateRcptTo, 450, "busy")
		}
		begun := time.Now()
		w.start()
		w.publish(mail("someone@example.com"))
		w.sleep(59 * time.Minute)
		require.Zero(t, w.left("failure"))
		w.sleep(time.Minute)
		m := w.one("failure")
		require.Equal(t, []string{"rcptto/error 450", "rcptto/error 450", "rcptto/error 450", "process/timeout 554"},
			pairs(m))
		require.Equal(t, begun.Add(time.Hour).UTC(), m.Results[3].Time)
		w.shutDown()
	})
}

func TestDeadlineCountsFromTheFirstPickUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Retry = delivery.RetryPolicy{Intervals: []time.Duration{10 * time.Minute}, Lifetime: time.Hour}
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.reply(tx, queue.StateRcptTo, 450, "busy")
		}
		m := mail("someone@example.com")
		m.NextAttempt = time.Now().Add(5 * time.Hour)
		w.start()
		w.publish(m)
		w.sleep(5*time.Hour + 59*time.Minute)
		require.Zero(t, w.left("failure"), "waiting for its first attempt does not count")
		w.sleep(time.Minute)
		require.Equal(t, "process/timeout 554", last(w.one("failure")))
		w.shutDown()
	})
}

func TestDeadlineRemembersAnEarlierPickUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Retry = delivery.RetryPolicy{Intervals: []time.Duration{10 * time.Minute}, Lifetime: time.Hour}
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.reply(tx, queue.StateRcptTo, 450, "busy")
		}
		w.withLedger().change = func(d *queue.Delivery) { d.Picked = time.Now().Add(-55 * time.Minute) }
		w.start()
		w.publish(mail("someone@example.com"))
		w.sleep(5 * time.Minute)
		require.Equal(t, []string{"rcptto/error 450", "process/timeout 554"}, pairs(w.one("failure")))
		w.shutDown()
	})
}

func TestOwnDeadlineAndRetries(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.reply(tx, queue.StateRcptTo, 450, "busy")
		}
		m := mail("someone@example.com")
		m.MaxDeliverTime = time.Now().Add(10 * time.Minute)
		m.Retries = []time.Duration{time.Minute, 4 * time.Minute}
		w.start()
		w.publish(m)
		w.sleep(10 * time.Minute)
		require.Len(t, w.one("failure").Results, 5, "at 0, 1, 5, 9 minutes, and the end")
		w.shutDown()
	})
}

func TestLastAttemptEndsTheMessageAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.reply(tx, queue.StateRcptTo, 450, "busy")
		}
		m := mail("someone@example.com")
		m.MaxAttempts, m.Retries = 2, []time.Duration{time.Minute}
		w.start()
		w.publish(m)
		w.sleep(time.Minute)
		require.Equal(t, []string{"rcptto/error 450", "rcptto/error 450", "process/timeout 554"}, pairs(w.one("failure")))
		require.Len(t, w.take("retry"), 1, "only the first attempt was followed by another")
		w.shutDown()
		require.Equal(t, 2, w.events.count(monitor.Attempted))
		require.Equal(t, 2, w.events.count(monitor.Retried))
		require.Equal(t, 1, w.events.count(monitor.NotTried))
	})
}

func TestMailThatExpiresWhileItWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.open = func(context.Context, *delivery.Hop, int) error { return failure(queue.StateConnect, queue.Lost, 0) }
		w.start()
		for _, name := range []string{"a@example.com", "b@example.com"} {
			m := mail(name)
			m.MaxDeliverTime = time.Now().Add(10 * time.Second)
			w.publish(m)
		}
		w.sleep(16 * time.Second)
		require.Equal(t, 2, w.stats("failure").Ready)
		for _, m := range w.take("failure") {
			require.Equal(t, "process/timeout 554", last(m))
		}
		w.shutDown()
	})
}

func TestSourceAddresses(t *testing.T) {
	addr := netip.MustParseAddr
	v4, v4b, v6 := addr("198.51.100.1"), addr("198.51.100.2"), addr("2001:db8::1")
	t.Run("default ones in turn", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Sources.Default = []netip.Addr{v4, v4b}
			w.Sources.Name = func(a netip.Addr) string {
				if a == v4 {
					return "one.test"
				}
				return ""
			}
			w.Hostname = "fallback.test"
			w.start()
			for range 4 {
				w.publish(mail("someone@example.com"))
				w.settled()
			}
			used := map[netip.Addr]string{}
			for _, h := range w.sender.hops {
				used[h.Source] = h.Hostname
			}
			require.Equal(t, map[netip.Addr]string{v4: "one.test", v4b: "fallback.test"}, used)
			require.Len(t, w.Paths(), 2)
		})
	})
	t.Run("the message's own", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Sources.Default = []netip.Addr{v4}
			w.Sources.Local = func() []netip.Addr { return []netip.Addr{v4, v4b} }
			m := mail("someone@example.com")
			m.IPs = []string{"198.51.100.77", "198.51.100.2"}
			w.start()
			w.publish(m)
			w.settled()
			require.Equal(t, v4b, w.sender.hops[0].Source)
		})
	})
	t.Run("a retry leaves from the same one", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Sources.Default = []netip.Addr{v4, v4b}
			w.start()
			m := mail("someone@example.com")
			for range 3 {
				m.Results = []queue.Result{{From: "198.51.100.2"}}
				w.publish(m)
				w.settled()
			}
			for _, h := range w.sender.hops {
				require.Equal(t, v4b, h.Source)
			}
		})
	})
	t.Run("one of a family that the target lacks is not taken", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Sources.Default = []netip.Addr{v6, v4}
			w.start()
			w.publishMany(20, "example.com")
			w.settled()
			require.Equal(t, 20, w.stats("success").Ready)
			for _, h := range w.sender.hops {
				require.Equal(t, v4, h.Source)
			}
			w.shutDown()
		})
	})
	t.Run("both families", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.router.addresses["mx.example.com"] = []netip.Addr{addr("192.0.2.1"), addr("2001:db8::25")}
			w.Sources.Default = []netip.Addr{v6, v4}
			w.start()
			w.publishMany(20, "example.com")
			w.settled()
			require.Equal(t, 20, w.stats("success").Ready)
			for _, h := range w.sender.hops {
				require.Equal(t, h.Source.Is4(), h.Target.Addr().Is4())
			}
			require.Len(t, w.Paths(), 2)
		})
	})
}

func TestSmarthostOfTheMessage(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := mail("someone@example.com")
		m.Smarthost = &queue.Smarthost{Hostname: "relay.test", Port: 587, Username: "user", Password: "secret"}
		other := mail("other@example.com")
		other.Smarthost = &queue.Smarthost{Hostname: "relay.test", Port: 587, Username: "other", Password: "secret"}
		third := mail("third@example.net")
		third.Smarthost = m.Smarthost
		other.Smarthost.Plaintext = true
		w.start()
		w.publish(m, other, third)
		w.settled()
		require.Equal(t, 3, w.stats("success").Ready)
		require.Len(t, w.sender.hops, 2, "one connection for each login")
		logins := map[string]bool{}
		for _, hop := range w.sender.hops {
			require.EqualValues(t, 587, hop.Target.Port())
			require.Equal(t, "relay.test:587", hop.Domain)
			require.Equal(t, "secret", hop.Credentials.Password)
			require.NotContains(t, hop.Credentials.String(), "secret")
			require.Equal(t, hop.Credentials.Username == "other", hop.Credentials.Plaintext, "AUTH without TLS")
			logins[hop.Credentials.Username] = true
		}
		require.Equal(t, map[string]bool{"user": true, "other": true}, logins)
	})
}

// sinking is a router under which all mail goes to a sink.
type sinking struct{ *router }

func (sinking) Divert(route *delivery.Route) {
	route.Hosts, route.Credentials = []delivery.Host{{Name: "sink.test"}}, nil
}

// TestSinkTakesMailWithSmarthost has a message that names its own relay leave nothing behind the back of a sink.
func TestSinkTakesMailWithSmarthost(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Router = sinking{w.router}
		m := mail("someone@example.com")
		m.Smarthost = &queue.Smarthost{Hostname: "relay.test", Port: 587, Username: "user", Password: "secret"}
		w.start()
		w.publish(m)
		w.settled()
		require.Equal(t, 1, w.stats("success").Ready)
		require.Len(t, w.sender.hops, 1)
		require.Equal(t, "sink.test", w.sender.hops[0].Host)
		require.Nil(t, w.sender.hops[0].Credentials)
		require.Equal(t, "relay.test:587", w.sender.hops[0].Domain, "its path stays real")
	})
}

func TestSecurityKeepsConnectionsApart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.router.route("mx.test", []string{"a.test", "b.test"}, "mx.test")
		w.start()
		for _, domain := range []string{"a.test", "b.test"} {
			for _, s := range []queue.Security{"", queue.Required, queue.Verified} {
				m := mail("someone@" + domain)
				m.Security = s
				w.publish(m)
			}
		}
		w.settled()
		names := map[string]int{}
		for _, h := range w.sender.hops {
			key := string(h.Security)
			for _, n := range h.CertNames {
				key += " " + n
			}
			names[key]++
		}
		require.Equal(t, map[string]int{"": 1, "required": 1, "verified a.test": 1, "verified b.test": 1}, names)
		require.Equal(t, 6, w.stats("success").Ready)
	})
}

func nothing(*queue.Message) {}

// suppress has the engine send nothing to one address.
func suppress(address string) func(*delivery.Engine) {
	return func(e *delivery.Engine) {
		h := &rules{suppressed: func(recipient string) (delivery.Refusal, bool) {
			return delivery.Refusal{Code: 551, Status: "5.7.1", Description: "asked us to stop"}, recipient == address
		}}
		e.Steering = func() delivery.Steering { return h }
	}
}

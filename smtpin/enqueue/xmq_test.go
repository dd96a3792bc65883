package enqueue_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

func ptr[T any](v T) *T { return &v }

func TestHeaderFieldsBecomeProperties(t *testing.T) {
	for _, tt := range []struct {
		name, fields string
		want         func(m *queue.Message) // what differs from a message without fields
	}{
		{"envelope", "X-MQ-Envelope: other@example.org\r\n", func(m *queue.Message) { m.Envelope = "other@example.org" }},
		{"envelope in brackets", "x-mq-envelope: <other@example.org>\r\n",
			func(m *queue.Message) { m.Envelope = "other@example.org" }},
		{"null sender", "x-mq-envelope: <>\r\n", func(m *queue.Message) { m.Envelope = "" }},
		{"ips", "x-mq-ip: 203.0.113.1\r\nX-Mq-Ip: 2001:DB8::1, 203.0.113.2;203.0.113.3\r\n", func(m *queue.Message) {
			m.IPs = []string{"203.0.113.1", "2001:db8::1", "203.0.113.2", "203.0.113.3"}
		}},
		{"pool switches mapping off", "x-mq-pool: fast\r\n", func(m *queue.Message) { m.IPs, m.Pool = nil, "fast" }},
		{"tags", "x-mq-tag: one\r\nX-MQ-TAG: two words\r\nx-mq-tag:\r\n",
			func(m *queue.Message) { m.Tags = []string{"one", "two words"} }},
		{"delayed", "x-mq-delayed: 2026-12-01 08:00:00\r\n", func(m *queue.Message) {
			m.NextAttempt = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
		}},
		{"maxdelivertime", "x-mq-maxdelivertime: 2026-12-01T08:00:00+01:00\r\n", func(m *queue.Message) {
			m.MaxDeliverTime = time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC)
		}},
		{"maxattempts", "x-mq-maxattempts: 5\r\n", func(m *queue.Message) { m.MaxAttempts = 5 }},
		{"unlimited attempts", "x-mq-maxattempts: 0\r\n", func(m *queue.Message) { m.MaxAttempts = -1 }},
		{"retries", "x-mq-retries: 60, 120,3600\r\n", func(m *queue.Message) {
			m.Retries = []time.Duration{time.Minute, 2 * time.Minute, time.Hour}
		}},
		{"booleans", "x-mq-inlinecss: 1\r\nx-mq-keepmime: Yes\r\n",
			func(m *queue.Message) { m.InlineCSS, m.KeepMIME = true, true }},
		{"false booleans", "x-mq-inlinecss: 0\r\nx-mq-keepmime: false\r\n", func(*queue.Message) {}},
		{"one queue switches the others off", "x-mq-results-queue: mine\r\n", func(m *queue.Message) {
			m.Queues = &queue.Queues{Results: ptr("mine"), Failure: ptr(""), Success: ptr(""), Retry: ptr("")}
		}},
		{"all queues", "x-mq-results-queue: a\r\nx-mq-failure-queue: b\r\nx-mq-success-queue: c\r\nx-mq-retry-queue:\r\n",
			func(m *queue.Message) {
				m.Queues = &queue.Queues{Results: ptr("a"), Failure: ptr("b"), Success: ptr("c"), Retry: ptr("")}
			}},
		{"smarthost",
			"x-mq-smarthost-hostname: relay.example\r\nx-mq-smarthost-port: 587\r\nx-mq-smarthost-username: u\r\nx-mq-smarthost-password: p w\r\n", func(m *queue.Message) {
				m.Smarthost = &queue.Smarthost{Hostname: "relay.example", Port: 587, Username: "u", Password: "p w"}
			}},
		{"encoded words",
			"x-mq-tag: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus?=\r\n =?iso-8859-15?B?IE35bmNoZW4=?=\r\nX-MQ-Pool: =?us-ascii?q?fast?=\r\n" +
				"x-mq-customer: =?windows-1252?q?M=FCller=80?=\r\nx-mq-n: =?utf-8?b?MTI=?=\r\n", func(m *queue.Message) {
				m.Tags, m.IPs, m.Pool = []string{"Grüße aus Mùnchen"}, nil, "fast"
				m.Extra = map[string]json.RawMessage{"customer": json.RawMessage(`"Müller€"`), "n": json.RawMessage(`12`)}
			}},
		{"what does not decode",
			"x-mq-tag: =?utf-8?q?bad=0Aline?=\r\nx-mq-tag: =?klingon?q?x?=\r\nx-mq-tag: =?utf-8?x\r\nx-mq-tag: a=?b\r\n",
			func(m *queue.Message) {
				m.Tags = []string{"=?utf-8?q?bad=0Aline?=", "=?klingon?q?x?=", "=?utf-8?x", "a=?b"}
			}},
		{"smarthost in plain text", "x-mq-smarthost-hostname: relay.example\r\nx-mq-smarthost-plaintext: 1\r\n",
			func(m *queue.Message) {
				m.Smarthost = &queue.Smarthost{Hostname: "relay.example", Plaintext: true}
			}},
		{"times without an offset", "x-mq-delayed: 2026-12-01T08:00:00.5\r\n", func(m *queue.Message) {
			m.NextAttempt = time.Date(2026, 12, 1, 8, 0, 0, 5e8, time.UTC)
		}},
		{"smarthost by address", "x-mq-smarthost-hostname: 2001:db8::7\r\n", func(m *queue.Message) {
			m.Smarthost = &queue.Smarthost{Hostname: "2001:db8::7"}
		}},
		{"dsn",
			"x-mq-dsn-notify: failure, delay\r\nx-mq-dsn-ret: hdrs\r\nx-mq-dsn-orcpt: rfc822;x@example.org\r\nx-mq-dsn-envid: e1\r\n", func(m *queue.Message) {
				m.DSN = &queue.DSN{Notify: []string{"FAILURE", "DELAY"}, Ret: "HDRS", ORcpt: "rfc822;x@example.org", EnvID: "e1"}
			}},
		{"any other",
			"x-mq-Campaign: spring\r\nx-mq-customer-id: 12345\r\nx-mq-list: 1, 2,-3\r\nx-mq-flag: TRUE\r\nx-mq-dsn-queue: x\r\n",
			func(m *queue.Message) {
				m.Extra = map[string]json.RawMessage{
					"campaign": json.RawMessage(`"spring"`), "customer-id": json.RawMessage("12345"),
					"list": json.RawMessage("[1,2,-3]"),
					"flag": json.RawMessage("true"), "dsn-queue": json.RawMessage(`"x"`),
				}
			}},
		{"what would not read the same stays text",
			"x-mq-a: 007\r\nx-mq-b: 12345678901234567890\r\nx-mq-c: 1.50\r\nx-mq-d: say \"hi\\\"\t.\r\nx-mq-e: 1,b\r\nx-mq-f: -0\r\nx-mq-g: 0.5\r\n", func(m *queue.Message) {
				m.Extra = map[string]json.RawMessage{
					"a": json.RawMessage(`"007"`), "b": json.RawMessage(`"12345678901234567890"`), "c": json.RawMessage(`"1.50"`),
					"d": json.RawMessage(`"say \"hi\\\"\t."`), "e": json.RawMessage(`"1,b"`), "f": json.RawMessage(`"-0"`),
					"g": json.RawMessage("0.5"),
				}
			}},
		{"never from a header",
			"x-mq-recipient: evil@example.org\r\nx-mq-results: 1\r\nx-mq-message-id: 1\r\nx-mq-dkim: 1\r\nx-mq-queues: 1\r\nx-mq-mime: 1\r\nx-mq-priority: 9\r\nx-mq-smarthost: x\r\nx-mq-smtputf8: 1\r\n", func(*queue.Message) {}},
		{"folded", "x-mq-tag: one\r\n two\r\nx-mq-retries: 1,\r\n\t2\r\n", func(m *queue.Message) {
			m.Tags, m.Retries = []string{"one two"}, []time.Duration{time.Second, 2 * time.Second}
		}},
		{"the last one counts", "x-mq-pool: a\r\nx-mq-pool: b\r\nx-mq-retries: 1,2\r\nx-mq-retries: 3\r\n",
			func(m *queue.Message) {
				m.IPs, m.Pool, m.Retries = nil, "b", []time.Duration{3 * time.Second}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, q := newBackend(t)
			s := newSession(t, b, trusted)
			_, err := send(t, s, "Subject: before\r\n"+tt.fields+"To: x@example.org\r\n\r\nx-mq-tag: text\r\n",
				"x@remote.example")
			require.NoError(t, err)
			got := q.only(t)
			want := queue.Message{
				Envelope: "sender@example.org", Recipient: "x@remote.example", Body: got.Body, IPs: []string{"192.0.2.25"},
				ID: got.ID, Received: testTime, Hostname: "mx.example", Connection: got.Connection,
			}
			tt.want(&want)
			require.Equal(t, want, *got)
			require.Equal(t, "Subject: before\r\nTo: x@example.org\r\n\r\nx-mq-tag: text\r\n", withoutTrace(t, got))
		})
	}
}

func TestPropertiesAreOnlyForThoseWhoMayRelay(t *testing.T) {
	mail := "X-MQ-Smarthost-Hostname: open.relay\r\nx-mq-maxattempts: nonsense\r\n" + simpleMail
	b, q := newBackend(t)
	b.Local = isLocal
	_, err := send(t, newSession(t, b, stranger), mail, "x@local.example")
	require.NoError(t, err)
	require.Nil(t, q.only(t).Smarthost)
	require.Equal(t, simpleMail, withoutTrace(t, q.only(t)), "fields of strangers are taken out all the same")

	_, err = send(t, newSession(t, b, trusted), "x-mq-tag: t\r\n"+simpleMail, "x@local.example")
	require.NoError(t, err)
	require.Equal(t, []string{"t"}, q.only(t).Tags)
}

func TestNoExtract(t *testing.T) {
	b, q := newBackend(t)
	b.NoExtract = true
	mail := "x-mq-tag: one\r\nx-mq-maxattempts: nonsense\r\n" + simpleMail
	_, err := send(t, newSession(t, b, trusted), mail, "x@remote.example")
	require.NoError(t, err)
	require.Nil(t, q.only(t).Tags)
	require.Equal(t, mail, withoutTrace(t, q.only(t)))
}

func TestSenderParametersGiveWayToHeader(t *testing.T) {
	b, q := newBackend(t)
	s := newSession(t, b, trusted)
	require.NoError(t, s.Mail("a@example.org", &smtp.MailOptions{Return: smtp.DSNReturnFull, EnvelopeID: "smtp"}))
	require.NoError(t, s.Rcpt("x@remote.example", &smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyNever}}))
	require.NoError(t, s.Data(strings.NewReader("x-mq-dsn-ret: HDRS\r\n"+simpleMail)))
	require.Equal(t, &queue.DSN{Notify: []string{"NEVER"}, Ret: "HDRS", EnvID: "smtp"}, q.only(t).DSN)
}

func TestUnusablePropertiesRefuseTheMail(t *testing.T) {
	for _, tt := range []struct{ field, name, want string }{
		{"x-mq-maxattempts: abc", "x-mq-maxattempts", "whole number"},
		{"X-MQ-MaxAttempts: -1", "x-mq-maxattempts", "whole number"},
		{"x-mq-maxattempts: 99999999999999999999", "x-mq-maxattempts", "whole number"},
		{"x-mq-retries: 1,,2", "x-mq-retries", "whole seconds"},
		{"x-mq-retries: 1;2", "x-mq-retries", "whole seconds"},
		{"x-mq-delayed: tomorrow", "x-mq-delayed", "2026-12-31 23:59:59"},
		{"x-mq-maxdelivertime: 0001-01-01 00:00:00", "x-mq-maxdelivertime", "time"},
		{"x-mq-inlinecss: perhaps", "x-mq-inlinecss", "1 or 0"},
		{"x-mq-keepmime:", "x-mq-keepmime", "1 or 0"},
		{"x-mq-ip: localhost", "x-mq-ip", "IP address"},
		{"x-mq-ip:", "x-mq-ip", "IP address"},
		{"x-mq-ip: fe80::1%eth0", "x-mq-ip", "IP address"},
		{"x-mq-envelope: nobody", "x-mq-envelope", "mail address"},
		{"x-mq-envelope: a@example.org> SIZE=1", "x-mq-envelope", "mail address"},
		{"x-mq-smarthost-port: 70000", "x-mq-smarthost-port", "port"},
		{"x-mq-smarthost-port: 25", "x-mq-smarthost-hostname", "host name"},
		{"x-mq-smarthost-hostname: not a host", "x-mq-smarthost-hostname", "host name"},
		{"x-mq-smarthost-password: secret\x01", "x-mq-smarthost-password", "control characters"},
		{"x-mq-smarthost-password: secret\xff", "x-mq-smarthost-password", "UTF-8"},
		{"x-mq-dsn-notify: NEVER,DELAY", "x-mq-dsn-notify", "NEVER"},
		{"x-mq-dsn-notify: always", "x-mq-dsn-notify", "NEVER"},
		{"x-mq-dsn-ret: SOME", "x-mq-dsn-ret", "FULL or HDRS"},
		{"x-mq-results-queue: outbox", "x-mq-results-queue", "neither the outbox"},
		{"x-mq-failure-queue: inbox", "x-mq-failure-queue", "neither the outbox"},
		{"x-mq-retry-queue: refused", "x-mq-retry-queue", "neither the outbox"},
		{"x-mq-" + strings.Repeat("n", 65) + ": 1", "x-mq-", "name"},
		{"x-mq-s\xc3\xa9: 1", "x-mq-", "name"},
		{"x-mq-: 1", "x-mq-", "name"},
		{"x-mq-tag: " + strings.Repeat("t", 256), "x-mq-tag", "255"},
		{strings.Repeat("x-mq-tag: t\r\n", 300) + "x-mq-tag: t", "x-mq", "256"},
		{strings.Repeat("x-mq-a: "+strings.Repeat("v", 1000)+"\r\n", 70) + "x-mq-tag: t", "x-mq", "64 KiB"},
	} {
		t.Run(tt.field[:min(len(tt.field), 40)], func(t *testing.T) {
			b, q := newBackend(t)
			b.Queues = enqueue.Queues{Inbox: "inbox", Refused: "refused"}
			_, err := send(t, newSession(t, b, trusted), tt.field+"\r\n"+simpleMail, "x@remote.example")
			requireReply(t, err, 554, smtp.EnhancedCode{5, 6, 0}, tt.want)
			require.Contains(t, err.Error(), tt.name)
			require.NotContains(t, err.Error(), "secret")
			require.LessOrEqual(t, len(err.Error()), 400)
			require.Empty(t, q.published)
		})
	}
}

func TestHeaderLimits(t *testing.T) {
	received := func(n int) string { return strings.Repeat("received: by x; now\r\n", n) }
	for _, tt := range []struct {
		name, mail string
		code       int
		text       string
	}{
		{"100 hops", received(100) + simpleMail, 0, ""},
		{"101 hops", received(101) + simpleMail, 554, "loop"},
		{"hops in the text", simpleMail + received(200), 0, ""},
		{"fields", strings.Repeat("a:\r\n", 10_001) + "\r\n", 554, "10000 fields"},
		{"large header", strings.Repeat("a: "+strings.Repeat("b", 900)+"\r\n", 300) + "\r\ntext\r\n", 552, "256 KiB"},
		{"header without end", strings.Repeat("a: "+strings.Repeat("b", 900)+"\r\n", 300), 552, "256 KiB"},
		{"one endless field", "a: " + strings.Repeat("b", 1<<20), 552, "256 KiB"},
	} {
		for _, limit := range []int{1000, 256 << 10, 1 << 24} {
			t.Run(fmt.Sprintf("%s, %d", tt.name, limit), func(t *testing.T) {
				b, q := newBackend(t)
				b.MemoryLimit = limit
				_, err := send(t, newSession(t, b, trusted), tt.mail, "x@remote.example")
				if tt.code == 0 {
					require.NoError(t, err)
					require.Equal(t, tt.mail, withoutTrace(t, q.only(t)))
					return
				}
				require.ErrorContains(t, err, tt.text)
				reply, ok := err.(*smtp.SMTPError)
				require.True(t, ok)
				require.Equal(t, tt.code, reply.Code)
				require.Empty(t, q.published)
			})
		}
	}
}

func TestFirstLineInPieces(t *testing.T) {
	b, q := newBackend(t)
	b.MemoryLimit = 1
	_, err := sendFrom(t, newSession(t, b, trusted), pieces{strings.NewReader("x-mq-tag: t\r\n" + simpleMail), 1},
		"x@remote.example")
	require.NoError(t, err)
	require.Equal(t, simpleMail, withoutTrace(t, q.only(t)))
}

func TestOddMails(t *testing.T) {
	for name, tt := range map[string]struct{ mail, want string }{
		"empty":              {"", ""},
		"only an empty line": {"\r\n", "\r\n"},
		"no header":          {"\r\ntext\r\n", "\r\ntext\r\n"},
		"begins with text":   {"hello there\r\nx-mq-tag: text\r\n", "\r\nhello there\r\nx-mq-tag: text\r\n"},
		"only a header":      {"A: b\r\nx-mq-tag: t\r\n", "A: b\r\n"},
		"mailbox line":       {"From x now\r\nA: b\r\nx-mq-tag: t\r\n\r\n", "From x now\r\nA: b\r\n\r\n"},
		"odd line":           {"A: b\r\nodd line\r\nx-mq-tag: t\r\n\r\ntext", "A: b\r\nodd line\r\n\r\ntext"},
		"NULs":               {"A: \x00\r\n\r\n\x00", "A: \x00\r\n\r\n\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, limit := range []int{1, 1 << 20} {
				b, q := newBackend(t)
				b.MemoryLimit = limit
				_, err := send(t, newSession(t, b, trusted), tt.mail, "x@remote.example")
				require.NoError(t, err)
				require.Equal(t, tt.want, withoutTrace(t, q.only(t)))
			}
		})
	}
}

func FuzzXMQ(f *testing.F) {
	f.Add("x-mq-tag: one\r\n two\r\nX-MQ-Retries: 1,2\r\n\r\ntext", true)
	f.Add("x-mq-smarthost-hostname: h\r\nx-mq-results-queue: q\r\nx-mq-other: 1,2\r\n", true)
	f.Add("x-mq-delayed: 2026-12-01 08:00:00\r\nx-mq-envelope: <>\r\nx-mq-dsn-notify: never\r\n\n", false)
	f.Add("\r\nx-mq-tag: text", true)
	f.Fuzz(func(t *testing.T, mail string, small bool) {
		q := &recorder{}
		b := &enqueue.Backend{Queue: q, Now: func() time.Time { return testTime }}
		if small {
			b.MemoryLimit = 16
		}
		if _, err := send(t, newSession(t, b, trusted), mail, "x@remote.example"); err != nil {
			requireRefusal(t, err)
			return
		}
		m := q.only(t)
		body := withoutTrace(t, m)
		require.LessOrEqual(t, len(body), len(mail)+2)
		for name, value := range m.Extra {
			require.True(t, json.Valid(value), "%s: %s", name, value)
		}
		header, _, _ := strings.Cut("\n"+strings.ReplaceAll(body, "\r\n", "\n"), "\n\n")
		if !strings.HasPrefix(body, "\r\n") && !strings.HasPrefix(body, "\n") {
			require.NotContains(t, strings.ToLower(header), "\nx-mq-tag:")
		}
	})
}

func requireRefusal(t testing.TB, err error) {
	t.Helper()
	reply, ok := err.(*smtp.SMTPError)
	require.True(t, ok, "%v", err)
	require.GreaterOrEqual(t, reply.Code, 500)
	for i := range len(reply.Message) {
		require.True(t, reply.Message[i] >= ' ' && reply.Message[i] < 0x7f, "%q", reply.Message)
	}
}

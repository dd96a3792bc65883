package delivery_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/receivers"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// fate is where a message is after its first attempt.
type fate string

const (
	success fate = "success"
	failed  fate = "failure"
	again   fate = "retry"
)

// fateOf finds a message in the queues, and checks that it is in each that it belongs to.
func (w *world) fateOf() (fate, *queue.Message) {
	w.t.Helper()
	switch {
	case w.stats("success").Ready == 1:
		require.Equal(w.t, 1, w.stats("results").Ready)
		require.Zero(w.t, w.left("outbox")+w.left("failure")+w.left("retry"))
		return success, w.classified("success")
	case w.stats("failure").Ready == 1:
		require.Equal(w.t, 1, w.stats("results").Ready)
		require.Zero(w.t, w.left("outbox")+w.left("retry"))
		return failed, w.classified("failure")
	}
	require.Equal(w.t, 1, w.stats("outbox").Delayed, "waiting for another attempt")
	require.Zero(w.t, w.left("results"))
	return again, w.classified("retry")
}

// classified returns the message in a queue, each of whose results has a class, unless it was delivered.
func (w *world) classified(name string) *queue.Message {
	m := w.one(name)
	for _, r := range m.Results {
		require.Equal(w.t, !r.Success(), r.Class.Known(), "%v", r)
	}
	return m
}

// TestClasses are by the host that was asked, and by what happened where nobody was.
func TestClasses(t *testing.T) {
	const quota = "over quota, whatever that is"
	for name, c := range map[string]struct {
		host string
		fail error // of connecting
		mail func(*queue.Message)
		want queue.Class
	}{
		"a reply":              {"mx.example.com", nil, nil, queue.ClassMailboxFull},
		"of a host of a group": {"mx1.provider.example", nil, nil, queue.ClassPolicy},
		"a greeting of such a host": {"mx1.provider.example",
			&delivery.Failure{Result: queue.Result{State: queue.StateIntro, Result: queue.Error, Code: 554, Description: quota}},
			nil, queue.ClassPolicy},
		"no connection": {"mx.example.com", failure(queue.StateConnect, queue.Timeout, 0), nil,
			queue.ClassNetwork},
		"an address that is not one": {"mx.example.com", nil, func(m *queue.Message) { m.Recipient = "nobody" },
			queue.ClassAddressUnknown},
		"no mail": {"mx.example.com", nil, func(m *queue.Message) { m.Body = nil }, queue.ClassFailedHere},
		"time is up": {"mx.example.com", nil, func(m *queue.Message) { m.MaxDeliverTime = time.Unix(1, 0) },
			queue.ClassExpired},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				book, problems := receivers.Extend("own.txt",
					"group: provider\nmx: provider.example\n\nclass: policy\ntext: "+quota+"\n")
				require.Empty(t, problems)
				w.Receivers = func() *receivers.Book { return book }
				w.router.route("example.com", []string{"example.com"}, c.host)
				w.sender.open = func(context.Context, *delivery.Hop, int) error { return c.fail }
				w.sender.mail = func(_ context.Context, conn *conn, tx *delivery.Transaction) {
					conn.reply(tx, queue.StateRcptTo, 552, quota)
				}
				w.start()
				m := mail("someone@example.com")
				if c.mail != nil {
					c.mail(m)
				}
				w.publish(m)
				w.settled()
				_, m = w.fateOf()
				require.Equal(t, c.want, m.Results[0].Class)
				w.shutDown()
			})
		})
	}
}

func TestOutcomesOfMails(t *testing.T) {
	const (
		ok, err, lost, timeout, invalid = queue.Accepted, queue.Error, queue.Lost, queue.Timeout, queue.Invalid
		from, to, data, message         = queue.StateMailFrom, queue.StateRcptTo, queue.StateData, queue.StateMessage
	)
	tests := []struct {
		state  queue.ResultState
		result queue.Outcome
		code   int
		want   fate
		pauses bool // the path as well
	}{
		{message, ok, 250, success, false},
		{message, ok, 252, success, false},
		{from, err, 450, again, false},
		{from, err, 550, failed, false},
		{to, err, 451, again, false},
		{to, err, 452, again, false},
		{to, err, 550, failed, false},
		{to, err, 553, failed, false},
		{data, err, 451, again, false},
		{data, err, 554, failed, false},
		{message, err, 451, again, false},
		{message, err, 552, failed, false},
		{message, err, 554, failed, false},
		{from, err, 421, again, true},
		{to, err, 421, again, true},
		{data, err, 421, again, true},
		{message, err, 421, again, true},
		{from, timeout, 0, again, true},
		{to, timeout, 0, again, true},
		{data, timeout, 0, again, true},
		{message, timeout, 0, again, true},
		{from, lost, 0, again, true},
		{to, lost, 0, again, true},
		{data, lost, 0, again, true},
		{message, lost, 0, again, true},
		{from, invalid, 0, again, false},
		{to, invalid, 251, again, false},
		{data, invalid, 250, again, false},
		{message, invalid, 354, again, false},
		{queue.StateStorage, err, 0, again, false},
		{queue.StateUnknown, err, 0, again, false},
	}
	for _, test := range tests {
		name := fmt.Sprintf("%s %s %d", test.state, test.result, test.code)
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
					c.reply(tx, test.state, test.code, "two\nlines")
					tx.Result.Result = test.result
					if test.code == 0 {
						c.lose(tx, test.state, test.result, false)
					}
				}
				w.start()
				w.publish(mail("someone@example.com"))
				w.settled()
				got, m := w.fateOf()
				require.Equal(t, test.want, got)
				require.Equal(t, fmt.Sprintf("%s/%s %d", test.state, test.result, test.code), last(m))
				require.Len(t, m.Results, 1)
				require.Equal(t, test.pauses, !w.Paths()[0].Offline.IsZero(), "the path is in back-off")
				require.Equal(t, test.result == invalid, w.events.count(monitor.Strange) == 1)
				w.shutDown()
				require.Equal(t, 1, w.events.count(monitor.Attempted))
				require.Equal(t, 1, w.events.count(monitor.Delivered)+w.events.count(monitor.Failed)+
					w.events.count(monitor.Retried))
			})
		})
	}
}

// ownCodes are what results have of failures for which no remote gave a code.
var ownCodes = map[queue.ResultState]int{
	queue.StateConnect: 451, queue.StateHandshake: 451, queue.StateBind: 451, queue.StateStartTLS: 454,
	queue.StateAuthPlain: 454,
	queue.StateAuthLogin: 454, queue.StateAuthUsername: 454, queue.StateAuthPassword: 454, queue.StateAuthCRAM: 454,
	queue.StateAuthResponse: 454,
}

func TestOutcomesOfConnecting(t *testing.T) {
	states := []queue.ResultState{
		queue.StateIntro, queue.StateEHLO, queue.StateHELO, queue.StateBind, queue.StateStartTLS, queue.StateAuthPlain,
		queue.StateAuthLogin, queue.StateAuthUsername, queue.StateAuthPassword, queue.StateAuthCRAM, queue.StateAuthResponse,
	}
	type testCase struct {
		state  queue.ResultState
		result queue.Outcome
		code   int
	}
	tests := []testCase{
		{queue.StateConnect, queue.Timeout, 0}, {queue.StateConnect, queue.Lost, 0}, {queue.StateConnect, queue.Error, 0},
		{queue.StateHandshake, queue.Error, 0}, {queue.StateHandshake, queue.Timeout, 0},
		{queue.StateBind, queue.Error, 0},
	}
	for _, state := range states {
		tests = append(tests, testCase{state, queue.Error, 550}, testCase{state, queue.Error, 450},
			testCase{state, queue.Timeout, 0}, testCase{state, queue.Lost, 0}, testCase{state, queue.Invalid, 0})
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %s %d", test.state, test.result, test.code), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.sender.open = func(context.Context, *delivery.Hop,
					int) error {
					return failure(test.state, test.result, test.code)
				}
				w.start()
				w.publish(mail("someone@example.com"))
				w.settled()
				got, m := w.fateOf()
				require.Equal(t, again, got, "the remote has not seen the message")
				require.Equal(t, fmt.Sprintf("%s/%s %d", test.state, test.result, cmp.Or(test.code, ownCodes[test.state])), last(m))
				state := w.Explain("example.com")[0]
				require.False(t, state.Offline.IsZero(), "the path is in back-off")
				require.Contains(t, state.LastError, string(test.state))
				w.shutDown()
			})
		})
	}
}

func TestOutcomesOfLookingUp(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		want   fate
		result string
	}{
		{"no such domain", &delivery.RouteError{Domain: "example.com", Code: 550, Status: "5.1.2", Reason: "no such domain",
			Permanent: true}, failed, "dns/error 550"},
		{"null MX", &delivery.RouteError{Domain: "example.com", Code: 556, Status: "5.1.10", Reason: "takes no mail",
			Permanent: true}, failed, "dns/error 556"},
		{"no answer", &delivery.RouteError{Domain: "example.com", Code: 451, Status: "4.4.3", Reason: "no answer"}, again,
			"dns/error 451"},
		{"code and permanence differ", &delivery.RouteError{Domain: "example.com", Code: 550, Reason: "x"}, again,
			"dns/error 451"},
		{"time-out", fmt.Errorf("dns: %w", context.DeadlineExceeded), again, "dns/timeout 451"},
		{"any other", errors.New("socket: no"), again, "dns/error 451"},
	}
	for _, test := range tests {
		for _, cached := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, cached %v", test.name, cached), func(t *testing.T) {
				inBubble(t, func(t *testing.T, w *world) {
					w.router.errs["example.com"] = test.err
					if !cached {
						w.router.chill("example.com")
					}
					w.start()
					w.publish(mail("someone@example.com"))
					w.settled()
					got, m := w.fateOf()
					require.Equal(t, test.want, got)
					require.Equal(t, test.result, last(m))
					require.Zero(t, w.sender.opened.Load())
					w.shutDown()
				})
			})
		}
		t.Run(test.name+", of the host", func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.router.errs["mx.example.com"] = test.err
				w.start()
				w.publish(mail("someone@example.com"))
				w.settled()
				got, m := w.fateOf()
				require.Equal(t, test.want, got)
				require.Equal(t, test.result, last(m))
				w.shutDown()
			})
		})
	}
	t.Run("hosts without addresses", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.router.addresses["mx.example.com"] = []netip.Addr{}
			w.start()
			w.publish(mail("someone@example.com"))
			w.settled()
			got, m := w.fateOf()
			require.Equal(t, again, got)
			require.Equal(t, "dns/error 451", last(m))
		})
	})
}

func TestQueuesOfTheMessage(t *testing.T) {
	name := func(s string) *string { return &s }
	reply := func(code int) func(context.Context, *conn, *delivery.Transaction) {
		return func(_ context.Context, c *conn, tx *delivery.Transaction) { c.reply(tx, queue.StateMessage, code, "x") }
	}
	tests := []struct {
		name   string
		code   int
		queues *queue.Queues
		want   map[string]int
	}{
		{"success", 250, nil, map[string]int{"results": 1, "success": 1}},
		{"success elsewhere", 250, &queue.Queues{Success: name("mine"), Failure: name("never")},
			map[string]int{"results": 1, "mine": 1}},
		{"success switched off", 250, &queue.Queues{Success: name("")}, map[string]int{"results": 1}},
		{"all switched off", 250, &queue.Queues{Success: name(""), Results: name("")}, map[string]int{}},
		{"results elsewhere", 250, &queue.Queues{Results: name("mine")}, map[string]int{"mine": 1, "success": 1}},
		{"both the same", 250, &queue.Queues{Results: name("mine"), Success: name("mine")}, map[string]int{"mine": 2}},
		{"failure", 550, nil, map[string]int{"results": 1, "failure": 1}},
		{"failure elsewhere", 550, &queue.Queues{Failure: name("mine")}, map[string]int{"results": 1, "mine": 1}},
		{"failure switched off", 550, &queue.Queues{Failure: name("")}, map[string]int{"results": 1}},
		{"retry", 450, nil, map[string]int{"outbox": 1, "retry": 1}},
		{"retry elsewhere", 450, &queue.Queues{Retry: name("mine")}, map[string]int{"outbox": 1, "mine": 1}},
		{"retry switched off", 450, &queue.Queues{Retry: name("")}, map[string]int{"outbox": 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.sender.mail = reply(test.code)
				m := mail("someone@example.com")
				m.Queues = test.queues
				w.start()
				w.publish(m)
				w.settled()
				got := map[string]int{}
				for _, name := range []string{"outbox", "results", "success", "failure", "retry", "mine", "never"} {
					if n := w.left(name); n > 0 {
						got[name] = n
					}
				}
				require.Equal(t, test.want, got)
			})
		})
	}
	t.Run("none configured", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Names = delivery.QueueNames{}
			w.start()
			w.publish(mail("someone@example.com"))
			w.settled()
			all, err := w.queue.(queue.Inspector).Queues(context.Background())
			require.NoError(t, err)
			require.Len(t, all, 1, "the outbox alone")
			require.Zero(t, w.left("outbox"))
		})
	})
	t.Run("another outbox", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Names.Outbox = "out"
			w.sender.mail = reply(450)
			w.start()
			require.NoError(t, w.queue.Publish(context.Background(),
				queue.Item{Queue: "out", Message: mail("someone@example.com")}))
			w.settled()
			require.Equal(t, 1, w.stats("out").Delayed)
		})
	})
}

func TestPublishedResults(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start()
		m := mail("someone@example.com")
		m.Body = queue.Bytes("From: A \"quoted\" <a@b.test>\r\nTo: x@y.test,\r\n  z@y.test\r\nSUBJECT: gr\xc3\xbc\xc3\x9fe \xff\r\nTo: Second <second@y.test>\r\nX: \x01\r\n\r\nSubject: body\r\n")
		m.Extra = map[string]json.RawMessage{"campaign": json.RawMessage(`{"id":7}`)}
		m.KeepMIME = true
		w.publish(m, mail("other@example.net"))
		w.settled()
		published := map[string]*queue.Message{}
		for _, m := range w.take("success") {
			published[m.Recipient] = m
		}
		kept := published["someone@example.com"]
		require.JSONEq(t, `{"id":7}`, string(kept.Extra["campaign"]), "what is not known is kept")
		require.Equal(t, m.Body.Size(), kept.Body.Size())
		require.JSONEq(t, `{
			"from": "a@b.test", "to": ["x@y.test", "z@y.test", "second@y.test"], "subject": "grüße �",
			"headers": {"from": "A \"quoted\" <a@b.test>", "to": ["x@y.test,  z@y.test", "Second <second@y.test>"], "subject": "grüße �", "x": "\u0001"},
			"envelope": {"domain":"sluice.test","local":"sender"}, "recipient": {"domain":"example.com","local":"someone"}
		}`, string(kept.Extracted))
		require.Nil(t, published["other@example.net"].Body)
	})
}

func TestFinishMakesWhatIsSent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.ReturnPath = func(*queue.Message) (string, string) { return "bounce+1@example.org", "" }
		away := true
		w.Finish = func(_ context.Context, hop *delivery.Hop, tx *delivery.Transaction) (queue.Body, error) {
			switch domainOf(tx.Message.Recipient) {
			case "away.test":
				if away {
					return nil, &delivery.Failure{Temporary: true, Cause: errors.New("the machine with the keys is away")}
				}
				return queue.Bytes("Signed: for " + tx.ReturnPath + " to " + hop.Domain + "\r\n\r\n"), nil
			case "bad.test":
				return nil, errors.New("no key to sign with")
			case "wrong.test":
				return nil, &queue.PropertyError{Property: "dkim.key", Want: "a key", Got: "nothing"}
			}
			return queue.Bytes("Signed: yes\r\n\r\n"), nil
		}
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			body, err := queue.ReadBody(tx.Body)
			require.NoError(t, err)
			c.reply(tx, queue.StateMessage, 250, string(body))
		}
		w.start()
		w.publish(mail("someone@example.com"))
		w.publishMany(3, "bad.test")
		w.settled()
		require.Contains(t, w.one("success").Results[0].Description, "Signed")
		for _, m := range w.take("failure") {
			require.Equal(t, "process/error 554", last(m))
			require.Contains(t, m.Results[0].Description, "no key")
		}
		w.publish(mail("someone@wrong.test"))
		w.settled()
		m := w.one("failure")
		require.Equal(t, "process/invalid 554", last(m))
		require.Contains(t, m.Results[0].Description, "dkim.key")

		w.publish(mail("someone@away.test"))
		w.settled()
		require.Empty(t, w.take("failure"), "it waits")
		away = false
		w.sleep(3 * time.Minute)
		require.Contains(t, w.one("success").Results[0].Description,
			"Signed: for bounce+1@example.org to away.test", "the signer sees envelope and path")
		w.shutDown()
		require.Equal(t, 4, w.events.count(monitor.NotTried))
	})
}

func TestEventsTellOfTheAttempt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start()
		m := mail("someone@example.com")
		m.Tags = []string{"a", "b"}
		w.publish(m)
		w.settled()
		w.shutDown()
		e := w.events.all(monitor.Delivered)[0]
		require.Equal(t, "example.com", e.Domain)
		require.Equal(t, []string{"a", "b"}, e.Tags)
		require.Equal(t, m.Body.Size(), e.Bytes)
		require.Equal(t, 250, e.Code)
		require.Equal(t, "192.0.2.250", e.MTA.String(), "the address that the system chose")
		require.True(t, e.Remote.IsValid())
		require.False(t, e.Time.IsZero())
		require.Equal(t, "someone@example.com", e.Message.(*queue.Message).Recipient)
		require.Equal(t, "message/accepted 250", pair(*e.Result.(*queue.Result)))
		require.Equal(t, m.Body.Size(), w.events.all(monitor.Picked)[0].Bytes)
	})
}

func TestRetryIntervals(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.reply(tx, queue.StateRcptTo, 450, "busy")
		}
		begun := time.Now()
		w.start()
		w.publish(mail("someone@example.com"))
		w.sleep(9 * time.Hour)
		var after []time.Duration
		for _, s := range w.sender.all() {
			after = append(after, s.at.Sub(begun))
		}
		const m = time.Minute
		require.Equal(t, []time.Duration{0, 10 * m, 20 * m, 50 * m, 80 * m, 140 * m, 200 * m, 320 * m, 440 * m}, after,
			"the default ones")
	})
}

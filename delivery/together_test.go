package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// newsletter publishes messages to n addresses that are the same, but for what change does to them.
func (w *world) newsletter(n int, change func(i int, m *queue.Message)) {
	body := queue.Bytes("Subject: news\r\n\r\nAll the news.\r\n")
	items := make([]queue.Item, n)
	for i := range items {
		m := &queue.Message{Envelope: "news@example.org", Recipient: fmt.Sprintf("r%d@example.com", i), Body: body}
		change(i, m)
		items[i] = queue.Item{Queue: "outbox", Message: m}
	}
	require.NoError(w.t, w.queue.Publish(context.Background(), items...))
}

// dialWhenReady connects once n messages wait on paths, so that what goes together does not hang on who comes first.
func (w *world) dialWhenReady(n int) func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, _ netip.Addr, target netip.AddrPort) (net.Conn, error) {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ready := 0; ready < n; {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-tick.C:
			}
			ready = 0
			for _, p := range w.Paths() {
				ready += p.Ready
			}
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", target.String())
	}
}

func unchanged(int, *queue.Message) {}

// wholes are the recipients of each mail that a server got.
type wholes struct {
	mu   sync.Mutex
	list [][]string
}

func (s *wholes) add(r *smtptest.Received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, r.Recipients)
}

func TestOneMailForManyRecipients(t *testing.T) {
	dkim := []queue.DKIM{{Domain: "example.org", Selector: "s", Key: "k"}}
	for name, tt := range map[string]struct {
		most   int
		change func(i int, m *queue.Message)
		mails  int // that 40 messages make
	}{
		"off":     {0, unchanged, 40},
		"all":     {50, unchanged, 1},
		"so many": {8, unchanged, 5},
		"of their own DSN": {50, func(i int,
			m *queue.Message) {
			m.DSN = &queue.DSN{ORcpt: fmt.Sprint("rfc822;x", i, "@y.z")}
		}, 1},
		"of other senders": {50, func(i int, m *queue.Message) { m.Envelope = fmt.Sprintf("s%d@example.org", i) }, 40},
		"in two halves":    {50, func(i int, m *queue.Message) { m.DSN = &queue.DSN{EnvID: fmt.Sprint("e", i/20)} }, 2},
		"with other mails": {50, func(i int,
			m *queue.Message) {
			m.Body = queue.Bytes(fmt.Sprintf("Subject: %d\r\n\r\n", i))
		}, 40},
		"with equal mails": {50, func(i int, m *queue.Message) { m.Body = queue.Bytes("Subject: x\r\n\r\n") }, 1},
		"with header edits": {50, func(i int,
			m *queue.Message) {
			m.Headers = &queue.HeaderEdits{Remove: []string{"x"}}
		}, 40},
		"signed by own keys": {50, func(i int, m *queue.Message) { m.DKIM = dkim }, 40},
		"by when": {50, func(i int,
			m *queue.Message) {
			m.DeliverBy = &queue.DeliverBy{Time: time.Now().Add(time.Hour), Mode: queue.DeliverByNotify}
		}, 40},
		"with SMTPUTF8 for some": {50, func(i int,
			m *queue.Message) {
			m.Extra = map[string]json.RawMessage{"smtputf8": json.RawMessage(fmt.Sprint(i < 10))}
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := &wholes{}
			w := realWorld(t, &static{common: listen(t, &smtptest.Sink{Received: got.add})})
			w.PathConnections, w.MultiRecipient = 1, tt.most
			w.Sender = &smtpout.Sender{Dial: w.dialWhenReady(40)}
			w.newsletter(40, tt.change)
			w.start()
			require.Eventually(t, func() bool { return w.stats("success").Ready == 40 }, 30*time.Second, 5*time.Millisecond)
			require.Len(t, got.list, tt.mails)
			to := map[string]int{}
			for _, list := range got.list {
				for _, r := range list {
					to[r]++
				}
			}
			require.Len(t, to, 40, "each got it once")
			for _, m := range w.take("success") {
				require.Equal(t, []string{"message/accepted 250"}, pairs(m))
			}
			w.shutDown()
		})
	}
}

// Each has its own result, and nobody's is that of another.
func TestEachRecipientHasItsOwnResult(t *testing.T) {
	for _, pipelining := range []string{"", "250-PIPELINING\r\n"} {
		t.Run(fmt.Sprintf("pipelining %v", pipelining != ""), func(t *testing.T) {
			var mu sync.Mutex
			open, most := map[string]int{}, 0
			w := realWorld(t, &static{common: answering(t, pipelining, func(line string) string {
				mu.Lock()
				defer mu.Unlock()
				switch to, is := strings.CutPrefix(line, "RCPT TO:<"); {
				case strings.HasPrefix(line, "MAIL"):
					open["now"] = 0
				case is && strings.HasPrefix(to, "bad"):
					return "550 5.1.1 no such user\r\n"
				case is && strings.HasPrefix(to, "busy"):
					return "450 4.2.1 busy\r\n"
				case is && open["now"] == 3:
					return "452 4.5.3 too many recipients\r\n"
				case is:
					open["now"]++
					most = max(most, open["now"])
				}
				return ""
			})})
			w.PathConnections, w.MultiRecipient = 1, 50
			w.newsletter(60, func(i int, m *queue.Message) {
				m.Recipient = fmt.Sprintf("%s%d@example.com", [...]string{"good", "good", "bad", "good", "busy"}[i%5], i)
			})
			w.start()
			require.Eventually(t, func() bool {
				return w.stats("success").Ready+w.stats("failure").Ready+w.stats("retry").Ready == 60
			}, 30*time.Second, 5*time.Millisecond)
			for name, want := range map[string]string{"success": "good", "failure": "bad", "retry": "busy"} {
				list := w.take(name)
				require.Len(t, list, map[string]int{"good": 36, "bad": 12, "busy": 12}[want])
				for _, m := range list {
					require.True(t, strings.HasPrefix(m.Recipient, want), m.Recipient)
					require.Len(t, m.Results, 1, "one too many counts as no attempt: %v", pairs(m))
				}
			}
			require.Equal(t, 3, most)
			w.shutDown()
		})
	}
}

// A connection that breaks under a mail to many loses none of them, and counts once against the path.
func TestCrowdWhoseConnectionBreaks(t *testing.T) {
	for at, line := range map[string]string{"MAIL": "MAIL", "RCPT": "RCPT TO:<r", "DATA": "DATA"} {
		for _, nth := range []int{1, 2} {
			t.Run(fmt.Sprint(at, nth), func(t *testing.T) {
				var mails, broken atomic.Int64
				w := realWorld(t, &static{common: answering(t, "250-PIPELINING\r\n", func(said string) string {
					if strings.HasPrefix(said, "MAIL") {
						mails.Add(1)
					}
					if strings.HasPrefix(said, line) && mails.Load() == int64(nth) && broken.Add(1) == 1 {
						return closing
					}
					return ""
				})})
				w.PathConnections, w.MultiRecipient = 1, 20
				w.Retry = delivery.RetryPolicy{Intervals: []time.Duration{time.Second}}
				w.newsletter(60, unchanged)
				w.start()
				if nth == 1 { // the path did not work yet, and is left alone for a while
					require.Eventually(t, func() bool { return w.stats("retry").Ready > 0 }, 30*time.Second, 5*time.Millisecond)
					require.Eventually(t, func() bool { return w.stats("outbox").Out == 60 }, 30*time.Second, 5*time.Millisecond)
					require.Less(t, time.Until(w.Paths()[0].Offline), 40*time.Second)
					w.shutDown()
					require.Equal(t, 60, w.stats("outbox").Ready+w.stats("outbox").Delayed)
					return
				}
				require.Eventually(t, func() bool { return w.stats("success").Ready == 60 }, 30*time.Second, 5*time.Millisecond)
				require.Zero(t, w.stats("failure").Ready)
				w.shutDown()
			})
		}
	}
}

// The throttle counts recipients: as many go together as it lets, and none of them without having asked.
func TestRecipientsAreCounted(t *testing.T) {
	let := func(n int64) func(throttle.Path, netip.Addr) throttle.Wait {
		var asked atomic.Int64
		return func(throttle.Path, netip.Addr) throttle.Wait {
			if asked.Add(1) <= n {
				return throttle.Wait{}
			}
			return throttle.Wait{For: time.Hour, Limit: "maxmessages", Rule: "test"}
		}
	}
	for name, tt := range map[string]struct {
		let   int64
		rules []smtptest.Rule
		sent  int // messages that were attempted
		good  int // of these accepted
	}{
		"no limit":            {1000, nil, 40, 40},
		"a limit of 10":       {10, nil, 10, 10},
		"some do not exist":   {1000, []smtptest.Rule{{Stage: smtptest.Rcpt, Pattern: "r?@*", Action: refused}}, 40, 30},
		"both":                {15, []smtptest.Rule{{Stage: smtptest.Rcpt, Pattern: "r?@*", Action: refused}}, 15, 5},
		"the mail is no good": {15, []smtptest.Rule{{Stage: smtptest.Dot, Pattern: "*", Action: refused}}, 15, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := &wholes{}
			p := &pacer{send: let(tt.let)}
			w := realWorld(t, &static{common: listen(t, &smtptest.Sink{Received: got.add, Rules: tt.rules})})
			w.PathConnections, w.MultiRecipient, w.Throttle = 1, 50, p
			w.Sender = &smtpout.Sender{Dial: w.dialWhenReady(40)}
			w.newsletter(40, unchanged)
			w.start()
			require.Eventually(t, func() bool {
				return w.stats("success").Ready+w.stats("failure").Ready == tt.sent
			}, 30*time.Second, 5*time.Millisecond)
			require.Equal(t, tt.good, w.stats("success").Ready)
			w.shutDown()
			require.Equal(t, 40-tt.sent, w.left("outbox"))
			reached := 0
			for _, list := range got.list {
				reached += len(list)
			}
			require.Equal(t, tt.good, reached)
			p.balanced(t, tt.sent)
		})
	}
}

// refused is said for good.
var refused = smtptest.Action{Act: smtptest.Reply, Code: 550, Text: "5.1.1 No"}

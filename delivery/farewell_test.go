package delivery_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/queue"
)

// A remote that takes a few mails over a connection, and says so in one way or another, delays no mail.
func TestRemotesThatTakeFewMailsAConnection(t *testing.T) {
	const n = 100
	for farewell := smtptest.RefuseMail; farewell <= smtptest.Announce; farewell++ {
		for _, per := range []int{1, 7} {
			for _, lockstep := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %d each, lockstep %v", farewell, per, lockstep), func(t *testing.T) {
					sink := &smtptest.Sink{MaxMessages: per, Farewell: farewell, NoPipelining: lockstep}
					w := realWorld(t, &static{common: listen(t, sink)})
					w.publishMany(n, "example.com")
					w.start()
					require.Eventually(t, func() bool { return w.stats("success").Ready+w.stats("retry").Ready == n }, 30*time.Second,
						5*time.Millisecond)
					require.Zero(t, w.stats("retry").Ready, "no attempt was burnt")
					for _, m := range w.take("success") {
						require.Len(t, m.Results, 1)
					}
					require.EqualValues(t, n, sink.Count(), "each arrived once")
					if per == 1 {
						learned, _ := w.Learned("example.com")
						require.Equal(t, per, learned)
						refused := sink.Stats().Deferred
						w.publishMany(n, "example.com")
						require.Eventually(t, func() bool { return w.stats("success").Ready == n }, 30*time.Second, 5*time.Millisecond)
						if farewell != smtptest.Announce {
							require.Equal(t, refused, sink.Stats().Deferred, "connections end before they are told to")
						}
					}
					w.shutDown()
					w.cancel()
				})
			}
		}
	}
}

// answering serves a server that answers each command as told, on a free port; "" is the usual answer.
func answering(t *testing.T, extensions string, answer func(line string) string) netip.AddrPort {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var sessions sync.WaitGroup
	t.Cleanup(func() { require.NoError(t, l.Close()); sessions.Wait() })
	sessions.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() {
				defer nc.Close()
				converse(nc, extensions, answer)
			})
		}
	})
	return netip.MustParseAddrPort(l.Addr().String())
}

// At the end of an answer, these close the connection, the second one with a reset.
const (
	closing   = "\x00"
	resetting = "\x01"
)

// converse is one session. The line that the greeting answers is empty.
func converse(nc net.Conn, extensions string, answer func(line string) string) {
	r := bufio.NewReader(nc)
	mail, text := false, cmp.Or(answer(""), "220 mx.test\r\n")
	for {
		said, reset := strings.CutSuffix(text, resetting)
		said, closes := strings.CutSuffix(said, closing)
		if reset {
			_ = nc.(interface{ SetLinger(int) error }).SetLinger(0)
		}
		if _, err := io.WriteString(nc, said); err != nil || closes || reset {
			return
		}
		line, err := r.ReadString('\n')
		for ; mail && line != ".\r\n" && err == nil; line, err = r.ReadString('\n') {
		}
		if err != nil {
			return
		}
		if text = answer(line); text == "" {
			text = "250 ok\r\n"
			if strings.HasPrefix(line, "EHLO") {
				text = "250-mx.test\r\n" + extensions + "250 8BITMIME\r\n"
			} else if mail = line == "DATA\r\n"; mail {
				text = "354 go\r\n"
			}
		}
	}
}

// Who answers RCPT, with whatever, is there: what he does with the connection afterwards keeps no other mail from him.
func TestRefusedRecipientsDoNotStopAPath(t *testing.T) {
	refuses := func(refusal, reset string) func(string) string {
		return func(line string) string {
			switch {
			case strings.HasPrefix(line, "RCPT TO:<bad"):
				return refusal
			case line == "RSET\r\n":
				return reset
			}
			return ""
		}
	}
	servers := map[string]func(string) string{
		"closes after 550": refuses("550 5.1.1 no such user\r\n"+closing, ""),
		"closes after 450": refuses("450 4.2.1 busy\r\n"+closing, ""),
		"RSET is 503":      refuses("550 5.1.1 no such user\r\n", "503 5.5.1 not now\r\n"),
		"RSET is 421":      refuses("550 5.1.1 no such user\r\n", "421 4.4.2 bye\r\n"+closing),
		"closes at RSET":   refuses("550 5.1.1 no such user\r\n", closing),
		"RSET is 250":      refuses("550 5.1.1 no such user\r\n", ""),
	}
	for name, answer := range servers {
		for _, extensions := range []string{"", "250-PIPELINING\r\n"} {
			t.Run(fmt.Sprintf("%s, pipelining %v", name, extensions != ""), func(t *testing.T) {
				w := realWorld(t, &static{common: answering(t, extensions, answer)})
				const good, bad = 20, 60
				for i := range bad {
					w.publish(mail(fmt.Sprintf("bad%d@example.com", i)))
					if i < good {
						w.publish(mail(fmt.Sprintf("good%d@example.com", i)))
					}
				}
				w.start()
				require.Eventually(t, func() bool {
					return w.stats("success").Ready+w.stats("failure").Ready+w.stats("retry").Ready == good+bad
				}, 20*time.Second, 5*time.Millisecond)
				require.Equal(t, good, w.stats("success").Ready)
				for _, name := range []string{"success", "failure", "retry"} {
					for _, m := range w.take(name) {
						require.Len(t, m.Results, 1, "%s: %v", m.Recipient, pairs(m))
					}
				}
				for _, p := range w.Paths() {
					require.Zero(t, p.Offline, p.LastError)
				}
				learned, _ := w.Learned("example.com")
				require.Zero(t, learned, "the recipient was at fault, not the number of mails")
				w.shutDown()
				w.cancel()
			})
		}
	}
}

// A remote that ends connections after a few mails may do so anywhere in the next one: no mail is delayed by that, and
// what it is at is learnt.
func TestRemotesThatStopMidway(t *testing.T) {
	const n, per = 40, 4
	for name, shape := range map[string]struct{ at, answer string }{
		"421 at RCPT":      {"RCPT", "421 4.7.0 too many messages\r\n" + closing},
		"421 at DATA":      {"DATA", "421 4.7.0 too many messages\r\n" + closing},
		"421 and it stays": {"RCPT", "421 4.7.0 too many messages\r\n"},
		"closes at RCPT":   {"RCPT", closing},
		"closes at DATA":   {"DATA", closing},
	} {
		for _, extensions := range []string{"", "250-PIPELINING\r\n"} {
			t.Run(fmt.Sprintf("%s, pipelining %v", name, extensions != ""), func(t *testing.T) {
				var mu sync.Mutex
				mails := 0 // over the connection; there is one at a time
				w := realWorld(t, &static{common: answering(t, extensions, func(line string) string {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case strings.HasPrefix(line, "EHLO"):
						mails = 0
					case strings.HasPrefix(line, "MAIL"):
						mails++
					}
					if mails > per && strings.HasPrefix(line, shape.at) {
						return shape.answer
					}
					return ""
				})})
				w.PathConnections = 1
				w.publishMany(n, "example.com")
				w.start()
				require.Eventually(t, func() bool { return w.stats("success").Ready+w.stats("retry").Ready == n }, 30*time.Second,
					5*time.Millisecond)
				require.Zero(t, w.stats("retry").Ready, "no attempt was burnt")
				for _, m := range w.take("success") {
					require.Len(t, m.Results, 1, "%v", pairs(m))
				}
				learned, _ := w.Learned("example.com")
				require.Equal(t, per, learned)
				w.shutDown()
			})
		}
	}
}

// A remote that takes nothing at all gets one attempt of each mail, not one mail again and again.
func TestRemoteThatRefusesEveryMail(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Retry.Intervals = []time.Duration{time.Hour}
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.reply(tx, queue.StateMailFrom, 452, "4.5.3 too many messages on this connection")
		}
		w.start()
		w.publishMany(100, "example.com")
		w.settled()
		require.Equal(t, 100, w.stats("retry").Ready)
		require.Equal(t, 100, w.sender.count(), "each was sent once")
		w.shutDown()
	})
}

// A mail that is refused behind others, and as the first one over a connection as well, has its attempt then.
func TestMailThatIsRefusedOverEachConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Retry.Intervals = []time.Duration{time.Hour}
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			if strings.HasPrefix(tx.Message.Recipient, "poor") {
				c.reply(tx, queue.StateMailFrom, 451, "4.7.1 not from you")
				return
			}
			c.accept(tx)
		}
		w.start()
		for i := range 50 {
			w.publish(mail(fmt.Sprintf("r%d@example.com", i)), mail(fmt.Sprintf("poor%d@example.com", i)))
		}
		w.settled()
		require.Equal(t, 50, w.stats("success").Ready)
		require.Equal(t, 50, w.stats("retry").Ready)
		for _, m := range w.take("retry") {
			require.Equal(t, []string{"mailfrom/error 451"}, pairs(m))
		}
		require.LessOrEqual(t, w.sender.count(), 150, "each of them was sent twice at most")
		w.shutDown()
	})
}

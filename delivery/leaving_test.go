package delivery_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/smtpout"
)

// leaver is a remote that leaves each of its first connections at the same place of the same mail, and keeps count of
// what it took.
type leaver struct {
	at     string // "", MAIL, RCPT, DATA, or "." for the end of the mail
	answer string
	nth    int  // mail of a connection
	left   int  // connections that are still to be left so
	took   bool // the mail whose end is not answered is kept all the same

	mu    sync.Mutex
	mails int // begun over the connection; there is one at a time
	rcpt  string
	taken map[string]int
}

func (l *leaver) say(line string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	line = strings.TrimSpace(line)
	verb, _, _ := strings.Cut(line, " ")
	switch verb {
	case "":
		l.mails = 0
	case "MAIL":
		l.mails++
	case "RCPT":
		l.rcpt = line
	}
	leaves := verb == l.at && l.left > 0 && (l.mails == l.nth || l.at == "")
	if leaves {
		l.left--
	}
	if verb == "." && (!leaves || l.took) {
		l.taken[l.rcpt]++
	}
	if leaves {
		return l.answer
	}
	return ""
}

// TestEveryWayOfLeaving has a remote leave connections in any way, at any place, in the first mail or in a later one.
// No mail is lost, or fails, or comes twice, unless it was taken and nobody was told. One that the remote had no part
// in has no attempt counted against it; of others, one for each connection.
func TestEveryWayOfLeaving(t *testing.T) {
	ways := map[string]string{"421": "421 4.7.0 too many messages\r\n" + closing, "silence": closing, "reset": resetting}
	for place, at := range map[string]string{"banner": "", "MAIL": "MAIL", "RCPT": "RCPT", "DATA": "DATA", "end": ".",
		"end, taken": ".", "accepted": "."} {
		for way, answer := range ways {
			for _, nth := range []int{1, 3} {
				if at == "" && nth > 1 || place == "end, taken" && way == "421" {
					continue // no such thing
				}
				if place == "accepted" {
					answer = "250 2.0.0 taken\r\n" + answer
				}
				for _, extensions := range []string{"", "250-PIPELINING\r\n"} {
					name := fmt.Sprintf("%s, %s, mail %d, pipelining %v", place, way, nth, extensions != "")
					t.Run(name, func(t *testing.T) {
						l := &leaver{at: at, answer: answer, nth: nth, left: 2, took: strings.Contains(place, "taken") || place == "accepted",
							taken: map[string]int{}}
						counted := at == "" || nth == 1 || at == "."
						l.survived(t, extensions, counted && place != "accepted")
					})
				}
			}
		}
	}
}

// survived sends mails to the remote. Counted says that a connection that it leaves may cost an attempt.
func (l *leaver) survived(t *testing.T, extensions string, counted bool) {
	const n, connections = 12, 2
	inBubble(t, func(t *testing.T, w *world) {
		w.PathConnections = 1
		w.Sender = &smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
			near, far := net.Pipe()
			reset := new(atomic.Bool)
			go func() {
				defer far.Close()
				converse(lingering{far, reset}, extensions, l.say)
			}()
			return resettable{near, reset}, nil
		}}
		w.publishMany(n, "example.com")
		w.start()
		w.sleep(12 * time.Hour)
		require.Equal(t, n, w.stats("success").Ready)
		require.Zero(t, w.stats("failure").Ready)
		spent := 0
		for _, m := range w.take("success") {
			spent += len(m.Results) - 1
		}
		if !counted {
			require.Zero(t, spent, "no attempt was burnt")
		}
		require.LessOrEqual(t, spent, connections)
		w.shutDown()
		require.Zero(t, l.left, "it left as often as it was to")
		require.Len(t, l.taken, n, "each has arrived")
		twice := 0
		for _, times := range l.taken {
			twice += times - 1
		}
		if l.took && !strings.HasPrefix(l.answer, "250") {
			require.Equal(t, connections, twice, "what was taken without a word")
		} else {
			require.Zero(t, twice)
		}
	})
}

// lingering is the remote's end of a connection in memory, which can be reset.
type lingering struct {
	net.Conn
	reset *atomic.Bool
}

func (l lingering) SetLinger(int) error { l.reset.Store(true); return nil }

// resettable is the other end.
type resettable struct {
	net.Conn
	reset *atomic.Bool
}

func (r resettable) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if err != nil && r.reset.Load() {
		err = syscall.ECONNRESET
	}
	return n, err
}

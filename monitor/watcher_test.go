package monitor

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	outgoing = Session{Local: netip.MustParseAddrPort("192.0.2.1:4711"),
		Remote: netip.MustParseAddrPort("198.51.100.7:25"), Domain: "mx.a.test"}
	incoming = Session{Incoming: true, Local: netip.MustParseAddrPort("192.0.2.1:25"),
		Remote: netip.MustParseAddrPort("203.0.113.9:999")}
)

func watch(t *testing.T, l *Live, f SessionFilter, buffer int) *Watcher {
	t.Helper()
	w, err := l.Watch(f, buffer)
	require.NoError(t, err)
	t.Cleanup(w.Close)
	return w
}

func next(t *testing.T, w *Watcher) Flight {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	f, err := w.Next(ctx)
	require.NoError(t, err)
	return f
}

func nothing(t *testing.T, w *Watcher) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 { // when both are possible, either may win
		_, err := w.Next(ctx)
		require.ErrorIs(t, err, context.Canceled)
	}
}

func TestWatcherJoinsMidway(t *testing.T) {
	l := new(Live)
	tap := l.Tap(outgoing)
	require.False(t, tap.Watched())
	tap.Line(FromUs, []byte("EHLO unseen\r\n"))
	w := watch(t, l, SessionFilter{}, 0)
	require.True(t, tap.Watched())
	line := []byte("MAIL FROM:<>\r\n")
	tap.Line(FromUs, line)
	line[0] = 'X' // the caller's buffer is used again
	tap.Line(FromRemote, []byte("250 OK\r\n"))
	tap.Close()
	tap.Close()
	tap.Line(FromUs, []byte("late"))

	f := next(t, w)
	require.Equal(t, "MAIL FROM:<>\r\n", string(f.Data))
	require.Equal(t, FromUs, f.Direction)
	require.Equal(t, outgoing, f.Session.Session)
	require.Equal(t, FromRemote, next(t, w).Direction)
	require.True(t, next(t, w).Ended)
	nothing(t, w)

	second := l.Tap(incoming)
	require.True(t, second.Watched(), "sessions that begin later are watched too")
	w.Close()
	require.False(t, second.Watched())
	_, err := w.Next(t.Context())
	require.ErrorIs(t, err, io.EOF)
}

func TestSessionFilters(t *testing.T) {
	l := new(Live)
	l.Tap(outgoing)
	l.Tap(incoming)
	for _, test := range []struct {
		name   string
		filter SessionFilter
		ids    []uint64
	}{
		{"all", SessionFilter{}, []uint64{1, 2}},
		{"incoming", SessionFilter{Incoming: true}, []uint64{2}},
		{"outgoing", SessionFilter{Outgoing: true}, []uint64{1}},
		{"one", SessionFilter{ID: 2}, []uint64{2}},
		{"local address", SessionFilter{IP: netip.MustParsePrefix("192.0.2.1/32")}, []uint64{1, 2}},
		{"remote range", SessionFilter{IP: netip.MustParsePrefix("203.0.113.0/24")}, []uint64{2}},
		{"domain", SessionFilter{Domain: "MX.a.test"}, []uint64{1}},
		{"parent domain", SessionFilter{Domain: "a.test"}, []uint64{1}},
		{"no parent", SessionFilter{Domain: ".test.a"}, nil},
		{"part of a label", SessionFilter{Domain: "x.a.test"}, nil},
	} {
		var ids []uint64
		for _, s := range l.Sessions(test.filter, 0) {
			ids = append(ids, s.ID)
		}
		require.Equal(t, test.ids, ids, test.name)
	}
	require.Len(t, l.Sessions(SessionFilter{}, 1), 1)
}

func TestWatchText(t *testing.T) {
	l := new(Live)
	w := watch(t, l, SessionFilter{Text: "Bob@A.test"}, 0)
	tap, other := l.Tap(outgoing), l.Tap(outgoing)
	for i := range 40 {
		tap.Line(FromUs, fmt.Appendf(nil, "NOOP %d\r\n", i))
	}
	tap.Line(FromUs, []byte(strings.Repeat("x", 2*maxHeld)))
	tap.Line(FromUs, []byte("EHLO us"))
	other.Line(FromUs, []byte("RCPT TO:<alice@a.test>"))
	nothing(t, w)
	tap.Line(FromUs, []byte("RCPT TO:<bob@a.test>"))
	tap.Line(FromRemote, []byte("250 OK"))
	for _, want := range []string{"EHLO us", "RCPT TO:<bob@a.test>", "250 OK"} {
		require.Equal(t, want, string(next(t, w).Data))
	}
	other.Close()
	nothing(t, w)
}

func TestSlowWatcherLosesAndLearnsIt(t *testing.T) {
	l := new(Live)
	tap := l.Tap(outgoing)
	slow, fast := watch(t, l, SessionFilter{}, 2), watch(t, l, SessionFilter{}, 100)
	for i := range 10 {
		tap.Line(FromUs, []byte{byte(i)})
	}
	for i := range 10 {
		require.Equal(t, byte(i), next(t, fast).Data[0])
	}
	require.EqualValues(t, 8, slow.Dropped())
	require.Zero(t, next(t, slow).Lost)
	next(t, slow)
	tap.Line(FromUs, []byte("now"))
	f := next(t, slow)
	require.Equal(t, "now", string(f.Data))
	require.Equal(t, 8, f.Lost)
	require.Zero(t, fast.Dropped())
}

func TestWatchingIsBounded(t *testing.T) {
	l := &Live{MaxSessions: 2, MaxWatchers: 1}
	w := watch(t, l, SessionFilter{}, 1<<20)
	_, err := l.Watch(SessionFilter{}, 0)
	require.ErrorIs(t, err, ErrTooManyWatchers)
	first := l.Tap(outgoing)
	l.Tap(outgoing)
	third := l.Tap(outgoing)
	require.False(t, third.Watched())
	first.Close()
	require.True(t, l.Tap(outgoing).Watched(), "there is room again")

	tap := l.sessions.open[2]
	for range 2 * maxPending / maxFlight {
		tap.Line(FromUs, make([]byte, maxFlight+1))
	}
	require.EqualValues(t, maxPending/maxFlight, w.Dropped())
	require.True(t, next(t, w).Ended)
	require.Equal(t, 1, next(t, w).Cut)
	w.Close()
	w.Close()
	_, err = l.Watch(SessionFilter{}, 0)
	require.NoError(t, err)
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(Live)
		w := watch(t, l, SessionFilter{}, 0)
		got := make(chan Flight)
		go func() {
			f, _ := w.Next(t.Context())
			got <- f
		}()
		synctest.Wait()
		l.Tap(outgoing).Line(FromUs, []byte("QUIT"))
		require.Equal(t, "QUIT", string((<-got).Data))
		go func() {
			_, err := w.Next(t.Context())
			got <- Flight{Ended: err == io.EOF}
		}()
		synctest.Wait()
		w.Close()
		require.True(t, (<-got).Ended)
	})
}

func TestSeveral(t *testing.T) {
	a, b := new(Live), new(Live)
	m := Several(Discard, a, b)
	m.Observe(&Event{Kind: Picked, Domain: "a.test"})
	require.EqualValues(t, 1, a.Snapshot(Filter{}).Now.InMemory)
	require.EqualValues(t, 1, b.Snapshot(Filter{}).Now.InMemory)
	tap := m.Tap(outgoing)
	require.False(t, tap.Watched())
	w := watch(t, b, SessionFilter{}, 0)
	require.True(t, tap.Watched())
	tap.Line(FromUs, []byte("QUIT"))
	require.Equal(t, "QUIT", string(next(t, w).Data))
	tap.Close()
	require.True(t, next(t, w).Ended)

	require.IsType(t, noTranscript{}, Several(Discard, Discard).Tap(outgoing))
	require.IsType(t, a.Tap(outgoing), Several(Discard, a).Tap(outgoing))
	require.Equal(t, Discard, Several())
	require.Same(t, a, Several(a))
}

func TestMailsAreGivenOnlyWhenWanted(t *testing.T) {
	l := new(Live)
	tap := Several(l, l, Discard).Tap(outgoing)
	mails := tap.(MailTranscript)
	plain := watch(t, l, SessionFilter{}, 0)
	require.Zero(t, mails.MailWanted())
	w := watch(t, l, SessionFilter{Mails: 10}, 0)
	greedy := watch(t, l, SessionFilter{Mails: 1 << 30, Text: "never said"}, 0)
	require.Equal(t, maxMail, mails.MailWanted())
	mails.Mail(FromUs, []byte("a mail of 21 bytes..."), 2000)
	f := next(t, w)
	require.True(t, f.Mail)
	require.Equal(t, "a mail of 21 bytes...", string(f.Data))
	require.Equal(t, 2000-21, f.Cut)
	nothing(t, plain)
	nothing(t, greedy)
	greedy.Close()
	require.Equal(t, 10, mails.MailWanted())
	w.Close()
	require.Zero(t, mails.MailWanted())
	mails.Mail(FromUs, []byte("x"), 1)
	tap.Close()
}

func TestSomeSessionsAreFollowed(t *testing.T) {
	l := new(Live)
	first := l.Tap(outgoing)
	w := watch(t, l, SessionFilter{Most: 2}, 0)
	second, third := l.Tap(outgoing), l.Tap(outgoing)
	require.True(t, first.Watched() && second.Watched())
	require.False(t, third.Watched())
	require.EqualValues(t, 1, w.Passed())
	first.Close()
	require.False(t, third.Watched(), "it has begun already")
	fourth := l.Tap(outgoing)
	require.True(t, fourth.Watched())
	for _, one := range []Transcript{second, third, fourth} {
		one.Close()
	}
}

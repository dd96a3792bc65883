package mtatest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// Ledger notes which mails mtad has taken, which have arrived, and when.
type Ledger struct {
	mu       sync.Mutex
	accepted map[int64]bool
	Arrived  map[int64]time.Time // the first time
	Again    map[int64]time.Time // the first time of mails that came again, which is when the copy left too early
}

func NewLedger() *Ledger {
	return &Ledger{accepted: map[int64]bool{}, Arrived: map[int64]time.Time{}, Again: map[int64]time.Time{}}
}

// Sink returns a sink that writes into the ledger.
func (l *Ledger) Sink() *smtptest.Sink {
	return &smtptest.Sink{Verify: true, Received: func(m *smtptest.Received) {
		for _, recipient := range m.Recipients {
			l.Note(recipient, time.Now())
		}
	}}
}

// Note writes down that a mail arrived.
func (l *Ledger) Note(recipient string, at time.Time) {
	n := NumberOf(recipient)
	l.mu.Lock()
	defer l.mu.Unlock()
	if first, known := l.Arrived[n]; known {
		l.Again[n] = first
	} else {
		l.Arrived[n] = at
	}
}

// NumberOf returns the number that a source put into an address.
func NumberOf(address string) int64 {
	local, _, _ := strings.Cut(strings.TrimPrefix(address, "s"), "@")
	n, err := strconv.ParseInt(local, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// Pour runs sources in the background until stop is called, which returns how many mails are in doubt: their connection
// broke before they were answered.
func (l *Ledger) Pour(t testing.TB, d *Daemon, sources ...*smtptest.Source) (stop func() (unknown int64)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	reports := make([]*smtptest.Report, len(sources))
	for i, s := range sources {
		s.Address = d.Addr
		s.Accepted = l.Accept
		running.Go(func() {
			var err error
			if reports[i], err = s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return func() (unknown int64) {
		cancel()
		running.Wait()
		for _, r := range reports {
			require.NotNil(t, r)
			unknown += r.Unknown
		}
		return unknown
	}
}

func (l *Ledger) Accept(numbers []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range numbers {
		l.accepted[n] = true
	}
}

// Counts returns how many mails were taken, how many have arrived, and how many of those came again.
func (l *Ledger) Counts() (accepted, arrived, again int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted), len(l.Arrived), len(l.Again)
}

// lost returns the mails that were taken and have not arrived.
func (l *Ledger) lost() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lost []int64
	for n := range l.accepted {
		if _, ok := l.Arrived[n]; !ok {
			lost = append(lost, n)
		}
	}
	return lost
}

// Complete reports whether everything that was taken has arrived.
func (l *Ledger) Complete() bool { return len(l.lost()) == 0 }

// stall is how long no mail may arrive while some wait for a target that takes them.
const stall = 10 * time.Second

// Settled waits until everything that was taken has arrived, which goes on without a stall.
func (l *Ledger) Settled(t testing.TB) {
	t.Helper()
	before, since := -1, time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(l.lost()) > 0 {
		<-tick.C
		if _, arrived, _ := l.Counts(); arrived != before {
			before, since = arrived, time.Now()
		}
		if time.Since(since) > stall {
			lost := l.lost()
			require.FailNow(t, "mails that were answered 250 do not arrive", "%d, among them %v", len(lost),
				lost[:min(10, len(lost))])
		}
	}
}

// AgainOnlyAt requires that what came again had arrived shortly before a kill, or while mtad was dying.
func (l *Ledger) AgainOnlyAt(t testing.TB, kills []time.Time, within time.Duration) {
	t.Helper()
	for n, first := range l.Again {
		near := slices.ContainsFunc(kills, func(kill time.Time) bool { return kill.Sub(first).Abs() < within })
		require.True(t, near, "mail %d came again although it had arrived long before a kill", n)
	}
}

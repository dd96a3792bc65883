package e2e

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// ledger notes which mails mtad has taken, which have arrived, and when.
type ledger struct {
	mu       sync.Mutex
	accepted map[int64]bool
	arrived  map[int64]time.Time // the first time
	again    map[int64]time.Time // the first time of those that came again, which is when the copy left too early
}

func newLedger() *ledger {
	return &ledger{accepted: map[int64]bool{}, arrived: map[int64]time.Time{}, again: map[int64]time.Time{}}
}

// sink returns a sink that writes into the ledger.
func (l *ledger) sink() *smtptest.Sink {
	return &smtptest.Sink{Verify: true, Received: func(m *smtptest.Received) {
		now := time.Now()
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, recipient := range m.Recipients {
			n := numberOf(recipient)
			if first, known := l.arrived[n]; known {
				l.again[n] = first
			} else {
				l.arrived[n] = now
			}
		}
	}}
}

// numberOf returns the number that a source put into an address.
func numberOf(address string) int64 {
	local, _, _ := strings.Cut(strings.TrimPrefix(address, "s"), "@")
	n, err := strconv.ParseInt(local, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// pour runs sources in the background until stop is called, which returns how many mails are in doubt: their connection
// broke before they were answered.
func (l *ledger) pour(t testing.TB, d *daemon, sources ...*smtptest.Source) (stop func() (unknown int64)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	reports := make([]*smtptest.Report, len(sources))
	for i, s := range sources {
		s.Address = d.addr
		s.Accepted = l.accept
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

func (l *ledger) accept(numbers []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range numbers {
		l.accepted[n] = true
	}
}

// counts returns how many mails were taken, how many have arrived, and how many of those came again.
func (l *ledger) counts() (accepted, arrived, again int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted), len(l.arrived), len(l.again)
}

// lost returns the mails that were taken and have not arrived.
func (l *ledger) lost() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lost []int64
	for n := range l.accepted {
		if _, ok := l.arrived[n]; !ok {
			lost = append(lost, n)
		}
	}
	return lost
}

// stall is how long no mail may arrive while some wait for a target that takes them.
const stall = 10 * time.Second

// settled waits until everything that was taken has arrived, which goes on without a stall.
func (l *ledger) settled(t testing.TB) {
	t.Helper()
	before, since := -1, time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(l.lost()) > 0 {
		<-tick.C
		if _, arrived, _ := l.counts(); arrived != before {
			before, since = arrived, time.Now()
		}
		if time.Since(since) > stall {
			lost := l.lost()
			require.FailNow(t, "mails that were answered 250 do not arrive", "%d, among them %v", len(lost), lost[:min(10, len(lost))])
		}
	}
}

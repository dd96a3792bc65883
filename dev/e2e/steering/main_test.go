package steering

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

func TestMain(m *testing.M) { mtatest.Main(m) }

// leaveFrom makes addresses known from which mail can leave. Linux lets everybody use all of 127.0.0.0/8, but only the
// first is an address of the machine; to mtad the others are external addresses that nothing has to be done for.
func leaveFrom(t testing.TB, db *store.DB, ips ...string) {
	t.Helper()
	for _, ip := range ips {
		mtatest.Insert(t, db, store.ExternalMTA{PublicIP: ip, LocalIP: ip, Protocol: "nat", Enabled: true})
	}
}

// watch is a sink that notes when mails come.
type watch struct {
	*mtatest.Sink
	mu    sync.Mutex
	of    string // domain that is noted; "": all
	times []time.Time
	late  time.Duration // most that this process was held up by others
}

// newWatch starts a sink that notes when mails come.
func newWatch(t testing.TB, s *smtptest.Sink) *watch {
	t.Helper()
	w := &watch{}
	s.Received = func(m *smtptest.Received) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.of == "" || strings.HasSuffix(m.Recipients[0], "@"+w.of) {
			w.times = append(w.times, time.Now())
		}
	}
	w.Sink = mtatest.NewSink(t, s)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(ended); w.feelThePulse(stop) }()
	t.Cleanup(func() { close(stop); <-ended })
	return w
}

// feelThePulse finds out for how long this process gets no time: the sink then notes mails later than they came.
func (w *watch) feelThePulse(stop chan struct{}) {
	const beat = 5 * time.Millisecond
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		now := time.Now()
		w.mu.Lock()
		w.late = max(w.late, now.Sub(last)-beat)
		w.mu.Unlock()
		last = now
	}
}

// count returns how many mails have come.
func (w *watch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.times)
}

// between returns when mails came in a span of time, and for how long the sink was held up at most.
func (w *watch) between(from, to time.Time) (times []time.Time, late time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.times {
		if !at.Before(from) && at.Before(to) {
			times = append(times, at)
		}
	}
	return times, w.late
}

// keepsTo watches the rate for a while: no window may have more than the limit, 2% and one mail, and the rate must be
// within 3% of what is allowed. Where the machine was too busy for that, another while decides, and a third one.
func (w *watch) keepsTo(t testing.TB, perMinute int, span time.Duration) {
	t.Helper()
	rate := float64(perMinute) / 60
	var reached, off float64
	for range 3 {
		from := time.Now()
		time.Sleep(span)
		times, late := w.between(from, from.Add(span))
		require.Greater(t, len(times), 2, "nothing comes")
		took := times[len(times)-1].Sub(times[0])
		reached = float64(len(times)-1) / took.Seconds()
		off = 0.03 + 2*float64(late)/float64(took) // what the sink cannot tell
		for i := range times {
			for j := i + 1; j < len(times); j++ {
				window := times[j].Sub(times[i]) + late
				most := rate*window.Seconds()*1.02 + 1 + 1 // both ends belong to the window
				require.LessOrEqual(t, float64(j-i+1), most+0.001, "mails within %v, of a limit of %d a minute", window, perMinute)
			}
		}
		if reached >= rate*(1-off) && reached <= rate*(1+off) {
			return
		}
	}
	require.InEpsilon(t, rate, reached, off, "mails a second, of a limit of %d a minute", perMinute)
}

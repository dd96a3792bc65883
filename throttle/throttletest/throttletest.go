package throttletest

import (
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
)

// New makes a throttler whose limits are the same for every path. They may change after it was used.
type New func(t *testing.T, limits throttle.Limits) throttle.Throttler

var (
	pathA   = throttle.Path{Source: netip.MustParseAddr("192.0.2.1"), Site: "a.example"}
	pathB   = throttle.Path{Source: netip.MustParseAddr("192.0.2.1"), Site: "b.example"}
	pathC   = throttle.Path{Source: netip.MustParseAddr("192.0.2.2"), Site: "a.example"}
	target1 = netip.MustParseAddr("198.51.100.1")
	target2 = netip.MustParseAddr("198.51.100.2")
)

// Run holds a throttler against the contract; each case says which rule was broken.
func Run(t *testing.T, newThrottler New) {
	t.Helper()
	cases(t, newThrottler)
	t.Run("Storm", func(t *testing.T) { storm(t, newThrottler) })
}

func cases(t *testing.T, newThrottler New) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(t *testing.T, newThrottler New)
	}{
		{"Unlimited", unlimited},
		{"Limits", limits},
		{"Messages", messages},
		{"MessagesToTarget", messagesToTarget},
		{"MessagesOfManyConnections", manyConnections},
		{"LateCallers", lateCallers},
		{"Pause", pause},
		{"Bytes", bytesExact},
		{"LargeMail", largeMail},
		{"Connects", connects},
		{"Connections", connections},
		{"ConnectionsToTarget", connectionsToTarget},
		{"Starting", starting},
		{"PerConnection", perConnection},
		{"Cancel", cancel},
		{"CancelNeverGivesTooMuch", cancelTooMuch},
		{"CancelTellsOthers", cancelTells},
		{"CloseTwice", closeTwice},
		{"Independent", independent},
		{"Origin", origin},
		{"Paused", paused},
		{"Explained", explained},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(t, newThrottler) })
		})
	}
}

// dial connects, which must be possible at once.
func dial(t *testing.T, th throttle.Throttler, path throttle.Path, target netip.Addr) throttle.Conn {
	t.Helper()
	c, wait := th.Connect(path, target)
	require.True(t, wait.Zero(), "a connection that no limit forbids had to wait: %+v", wait)
	require.NotNil(t, c, "Connect with a zero Wait must return a Conn")
	return c
}

// sane checks a wait that is not zero.
func sane(t *testing.T, wait throttle.Wait) {
	t.Helper()
	require.Positive(t, wait.For, "Wait.For is positive in every wait")
	require.NotEmpty(t, wait.Limit, "Wait names the limit that holds")
	require.NotEmpty(t, wait.Rule, "Wait names the rule that the limit came from")
}

// events are the times at which something happened.
type events []time.Time

// most returns the largest number of events in any half-open span of time.
func (e events) most(span time.Duration) int {
	most, first := 0, 0
	for i, at := range e {
		for at.Sub(e[first]) >= span {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// exact checks that events are never more than perMinute, hardly fewer under steady supply, and without bursts.
func (e events) exact(t *testing.T, th throttle.Throttler, what string, perMinute, minutes int) {
	t.Helper()
	require.LessOrEqual(t, e.most(time.Minute), perMinute, "%s: more than the limit of %d in some minute", what, perMinute)
	least := (perMinute-1-perMinute/5000)*minutes - 1 - int(math.Ceil(loss(th)*float64(perMinute*minutes)))
	require.GreaterOrEqual(t, len(e), least,
		"%s: under steady supply the limit of %d a minute is to be reached, over %d minutes", what, perMinute, minutes)
	if perMinute >= 60 {
		require.LessOrEqual(t, e.most(3*time.Second), perMinute/20+perMinute/100+2, "%s: a burst; the rate is to be smooth",
			what)
	}
}

// supply asks until the time has passed. It also ends when it was asked far more often than any limit here needs: a
// throttler that grants everything is found to exceed its limit then, and one that refuses again and again after each
// wait fails here.
type supply struct {
	t       *testing.T
	end     time.Time
	calls   int
	refused int
}

func steady(t *testing.T, during time.Duration) *supply {
	return &supply{t: t, end: time.Now().Add(during)}
}

// more reports whether to ask once more.
func (s *supply) more() bool {
	s.t.Helper()
	const most = 150_000 // ten minutes of 6,000 mails, each refused once, are less
	s.calls++
	if s.calls > most && s.refused > most/2 {
		require.Fail(s.t, "Wait.For says when it makes sense to ask again",
			"%d of %d calls were refused, each after the wait that was asked for", s.refused, most)
	}
	return s.calls <= most && time.Now().Before(s.end)
}

// wait waits as long as a refusal says, and a little longer.
func (s *supply) wait(w throttle.Wait, late time.Duration) {
	s.t.Helper()
	sane(s.t, w)
	s.refused++
	time.Sleep(min(w.For, time.Until(s.end)) + late)
}

// pump sends as much as it may until the time has passed, and returns when each mail went.
func pump(t *testing.T, c throttle.Conn, size int64, during time.Duration) (sent events) {
	t.Helper()
	for s := steady(t, during); s.more(); {
		if wait := c.Send(size); wait.Zero() {
			sent = append(sent, time.Now())
		} else {
			s.wait(wait, 0)
		}
	}
	return sent
}

// wakes collects what Changed reports.
type wakes struct {
	paths chan throttle.Path
}

func listen(th throttle.Throttler) *wakes {
	w := &wakes{paths: make(chan throttle.Path, 1000)}
	th.Changed(func(p throttle.Path) {
		select {
		case w.paths <- p:
		default: // as many as were told already tell enough
		}
	})
	return w
}

// none checks that nobody was told anything.
func (w *wakes) none(t *testing.T, why string) {
	t.Helper()
	synctest.Wait()
	require.Empty(t, w.paths, why)
}

// one checks that path was told, or all were, and forgets it.
func (w *wakes) one(t *testing.T, path throttle.Path, why string) {
	t.Helper()
	synctest.Wait()
	found := false
	for len(w.paths) > 0 {
		p := <-w.paths
		found = found || p == path || p == throttle.Path{}
	}
	require.True(t, found, why)
}

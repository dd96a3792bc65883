package steering

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// quiet is how long nothing must come before a test believes that nothing does.
const quiet = 500 * time.Millisecond

// staysAt requires that no mail comes any more.
func (w *watch) staysAt(t testing.TB, n int, why string) {
	t.Helper()
	require.Never(t, func() bool { return w.count() != n }, quiet, 20*time.Millisecond, why)
}

// TestPauses holds mail by domain, by tag and by the address of the target. What is not selected flows.
func TestPauses(t *testing.T) {
	t.Parallel()
	n := mtatest.NewNetwork(t)
	a, b := n.Sink(t, 1, &smtptest.Sink{}), n.Sink(t, 2, &smtptest.Sink{})
	set, db := mtatest.SQLite(t)
	for host, i := range map[string]int{"one.test": 1, "two.test": 2, "three.test": 2} {
		mtatest.Insert(t, db, store.DNSRecord{Hostname: "mx." + host, IP: n.Host(i), Enabled: true})
		mtatest.Insert(t, db, store.Route{Domain: host, Relay: "mx." + host, Enabled: true})
	}
	byDomain := &store.Pause{Target: "one.test", Cluster: true, Enabled: true}
	byTag := &store.Pause{Tag: "letters", Instance: 7, Enabled: true}
	byTarget := &store.Pause{Target: n.Host(2), Cluster: true, Enabled: true}
	for _, p := range []*store.Pause{byDomain, byTag, byTarget} {
		require.NoError(t, store.Insert(t.Context(), db, p))
	}
	mtatest.Insert(t, db, store.Pause{Cluster: false, Instance: 8, Enabled: true}) // another instance's
	d := mtatest.Inside(t, set.With(mtatest.Settings{"server-id": "7", "smtp-extract": "true"}))
	tagged := "x-mq-tag: letters\r\n" + mtatest.Letters
	d.Submit(t, "a@client.test", "x@one.test", mtatest.Letters)
	d.Submit(t, "a@client.test", "x@two.test", mtatest.Letters)
	d.Submit(t, "a@client.test", "tagged@three.test", tagged)
	require.Never(t, func() bool { return len(a.Received())+len(b.Received()) > 0 }, quiet, 20*time.Millisecond,
		"all of it is paused")

	lift := func(p *store.Pause) {
		require.NoError(t, store.Delete[store.Pause](t.Context(), db, p.ID))
		d.Reload(t)
	}
	lift(byDomain)
	require.Equal(t, []string{"x@one.test"}, a.Await(t, 1)[0].Recipients)
	lift(byTarget)
	require.Equal(t, []string{"x@two.test"}, b.Await(t, 1)[0].Recipients)
	lift(byTag)
	b.Await(t, 2)
	require.ElementsMatch(t, []string{"x@two.test", "tagged@three.test"}, b.Recipients())
}

// TestPauseOfMany pauses a domain while 20,000 messages for it wait. Nothing more comes, other mail flows, nothing is
// lost when mtad is killed meanwhile, and all of it flows again afterwards.
func TestPauseOfMany(t *testing.T) {
	t.Parallel()
	const many = 20000
	set, db := mtatest.SQLite(t)
	hold := mtatest.Throttle(t, db, "hold", "many.test", func(l *store.Limits) { l.Site.MaxMessages = 120 })
	w := newWatch(t, &smtptest.Sink{})
	w.of = "many.test"
	d := mtatest.Start(t, w.Settings().With(set))
	d.Send(t, &smtptest.Source{Messages: many, Size: 400, Domains: []string{"many.test"}, Sessions: 20})
	mtatest.Eventually(t, "mail flows", func() bool { return w.count() > 0 })

	pause := &store.Pause{Target: "many.test", Cluster: true, Enabled: true}
	require.NoError(t, store.Insert(t.Context(), db, pause))
	hold.Enabled = false
	require.NoError(t, store.Update(t.Context(), db, hold))
	d.Reload(t)
	time.Sleep(100 * time.Millisecond) // for what is on the wire
	came := w.count()
	w.staysAt(t, came, "mail during the pause")
	d.Send(t, &smtptest.Source{Messages: 1, First: many + 1, Size: 400, Domains: []string{"other.test"}})
	mtatest.Eventually(t, "mail for others", func() bool { return w.Tally().Has(many + 1) })

	d.Kill()
	d = d.Again(t)
	came = w.count()
	w.staysAt(t, came, "mail after a crash, during the pause")
	require.NoError(t, store.Delete[store.Pause](t.Context(), db, pause.ID))
	d.Reload(t)
	began := time.Now()
	mtatest.Eventually(t, "mail flows again", func() bool { return w.count() > came })
	require.Less(t, time.Since(began), time.Second+late(w), "at once")
	w.arriveAll(t, many+1)
	require.LessOrEqual(t, w.Duplicates(), int64(5), "what was under way when mtad was killed may come twice")
	d.Terminate(t)
	mtatest.RequireEmpty(t, d.Queue)
}

func late(w *watch) time.Duration {
	_, late := w.between(time.Time{}, time.Time{})
	return late
}

// TestPauseExpires has a pause end by itself.
func TestPauseExpires(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	w := newWatch(t, &smtptest.Sink{})
	until := time.Now().Add(4 * time.Second).Truncate(time.Second)
	mtatest.Insert(t, db, store.Pause{Target: "later.test", Cluster: true, Expire: store.FormatTime(until), Enabled: true})
	d := mtatest.Inside(t, w.Settings().With(set))
	d.Submit(t, "a@client.test", "x@later.test", mtatest.Letters)
	mtatest.Eventually(t, "mail flows", func() bool { return w.count() == 1 })
	at, _ := w.between(time.Time{}, time.Now())
	require.False(t, at[0].Before(until), "not before %v, but %v", until, at[0])
	require.Less(t, at[0].Sub(until), 3*time.Second+late(w))
}

// TestForcedError fails mail without trying it.
func TestForcedError(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db,
		store.ForcedError{Domain: "*.gone.test", Code: 551, Extended: "5.1.6", Description: "moved away", Cluster: true,
			Enabled: true},
		store.ForcedError{Tag: "canary", Code: 450, Extended: "4.7.9", Description: "not today", Cluster: true,
			Enabled: true},
		store.ForcedError{Domain: "open.test", Code: 550, Cluster: true}, // switched off
	)
	mtatest.Insert(t, db, store.Suppression{Value: "no@open.test", Type: "address", Code: 553, Extended: "5.1.7",
		Description: "asked us to stop", Enabled: true})
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, k.Settings().With(set).With(logging).With(mtatest.Settings{"smtp-extract": "true"}))
	d.Submit(t, "a@client.test", "x@a.gone.test", mtatest.Letters)
	d.Submit(t, "a@client.test", "t@open.test", "x-mq-tag: canary\r\n"+mtatest.Letters)
	d.Submit(t, "a@client.test", "no@open.test", mtatest.Letters)
	d.Submit(t, "a@client.test", "yes@open.test", mtatest.Letters)
	for recipient, want := range map[string]string{"x@a.gone.test": "551 5.1.6 moved away",
		"t@open.test":  "450 4.7.9 not today",
		"no@open.test": "553 5.1.7 asked us to stop"} {
		got := mtatest.AwaitAttempts(t, log, recipient, 1)[0].Last()
		require.Equal(t, want, strings.Join([]string{strconv.Itoa(got.Code), got.Status, got.Description}, " "))
	}
	require.Equal(t, []string{"yes@open.test"}, k.Await(t, 1)[0].Recipients)
	require.EqualValues(t, 1, k.Stats().Connections)
}

// TestRedirect changes the address from which mail leaves, for one domain, and counts.
func TestRedirect(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	leaveFrom(t, db, "127.0.0.21", "127.0.0.22", "127.0.0.23")
	row := &store.Delegate{LocalIP: "127.0.0.21", Domain: "moved.test", NewIP: "127.0.0.22", Enabled: true}
	require.NoError(t, store.Insert(t.Context(), db, row))
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(set).With(mtatest.Settings{"smtp-default-ips": "127.0.0.21"}))
	from := func(i int) string { return k.Await(t, i)[i-1].Remote.Addr().String() }
	d.Submit(t, "a@client.test", "x@moved.test", mtatest.Letters)
	require.Equal(t, "127.0.0.22", from(1))
	d.Submit(t, "a@client.test", "x@other.test", mtatest.Letters)
	require.Equal(t, "127.0.0.21", from(2))
	row.NewIP = "127.0.0.23"
	require.NoError(t, store.Update(t.Context(), db, row))
	d.Reload(t)
	d.Submit(t, "a@client.test", "x@moved.test", mtatest.Letters)
	require.Equal(t, "127.0.0.23", from(3))

	// A redirect that leads back is refused, and mail leaves as planned.
	mtatest.Insert(t, db, store.Delegate{ID: 50, LocalIP: "127.0.0.22", Domain: "loop.test", NewIP: "127.0.0.21",
		Enabled: true},
		store.Delegate{ID: 51, LocalIP: "127.0.0.21", Domain: "loop.test", NewIP: "127.0.0.22", Enabled: true})
	d.Reload(t)
	require.Contains(t, d.Log.String(), "delegates")
	d.Submit(t, "a@client.test", "x@loop.test", mtatest.Letters)
	require.Contains(t, []string{"127.0.0.21", "127.0.0.22"}, from(4))
}

// TestPools sends the mail of a pool from its addresses, as they are at the moment.
func TestPools(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	leaveFrom(t, db, "127.0.0.31", "127.0.0.32", "127.0.0.33")
	mtatest.Insert(t, db, store.Pool{Name: "bulk", Enabled: true})
	first := store.PoolIP{Pool: "bulk", IP: "127.0.0.31"}
	require.NoError(t, store.Insert(t.Context(), db, &first))
	mtatest.Insert(t, db, store.PoolIP{Pool: "bulk", IP: "127.0.0.32"})
	mtatest.Insert(t, db, store.Pause{Pool: "bulk", Target: "paused.test", Cluster: true, Enabled: true})
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, k.Settings().With(set).With(logging).With(mtatest.Settings{"smtp-default-ips": "127.0.0.33",
		"smtp-extract": "true"}))
	submit := func(pool, domain string, times int) {
		for range times {
			d.Submit(t, "a@client.test", "x@"+domain, "x-mq-pool: "+pool+"\r\n"+mtatest.Letters)
		}
	}
	sources := func() []string {
		var all []string
		for _, m := range k.Received() {
			all = append(all, m.Remote.Addr().String())
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	submit("bulk", "one.test", 6)
	k.Await(t, 6)
	require.Equal(t, []string{"127.0.0.31", "127.0.0.32"}, sources())
	require.NoError(t, store.Delete[store.PoolIP](t.Context(), db, first.ID))
	d.Reload(t)
	submit("bulk", "two.test", 3)
	for _, m := range k.Await(t, 9)[6:] {
		require.Equal(t, netip.MustParseAddr("127.0.0.32"), m.Remote.Addr())
	}
	submit("nobody", "three.test", 1)
	require.Equal(t, "bind", mtatest.AwaitAttempts(t, log, "x@three.test", 1)[0].Last().State)
	submit("bulk", "paused.test", 1)
	d.Submit(t, "a@client.test", "default@paused.test", mtatest.Letters)
	require.Equal(t, []string{"default@paused.test"}, k.Await(t, 10)[9].Recipients, "only the pool is paused")
}

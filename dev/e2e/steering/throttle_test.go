package steering

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestRate changes a throttle while mail flows. The sink's own clock says that the limit is kept to, and used.
func TestRate(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	gold := mtatest.Throttle(t, db, "gold", "paced.test", func(l *store.Limits) { l.Site.MaxMessages = 300 })
	w := newWatch(t, &smtptest.Sink{})
	w.of = "paced.test"
	d := mtatest.Inside(t, w.Settings().With(set))
	d.Send(t, &smtptest.Source{Messages: 600, Size: 600, Domains: []string{w.of}})
	d.Send(t, &smtptest.Source{Messages: 50, First: 1000, Size: 600, Domains: []string{"fast.test"}})
	mtatest.Eventually(t, "mail of another domain is not held up", func() bool { return w.Tally().Has(1049) })
	w.keepsTo(t, 300, 12*time.Second)

	gold.Limits.Site.MaxMessages = 900
	require.NoError(t, store.Update(t.Context(), db, gold))
	d.Reload(t)
	w.keepsTo(t, 900, 10*time.Second)

	require.NoError(t, store.Delete[store.Capacity](t.Context(), db, gold.ID))
	d.Reload(t)
	w.arriveAll(t, 650)
	require.Contains(t, d.Log.String(), "capacity_rules", "the rule of a throttle that is gone is told")
	require.Zero(t, w.Duplicates())
}

func (w *watch) arriveAll(t testing.TB, n int64) {
	t.Helper()
	mtatest.Eventually(t, "all mails arrive", func() bool { return w.Tally().Distinct() >= n })
}

// TestConnections lets a sink refuse who connects too often, as providers do: with limits on connections nobody is
// refused.
func TestConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		domains []string
		limit   func(*store.Limits)
	}{
		"to a site":        {[]string{"one.test"}, func(l *store.Limits) { l.Site.MaxConnections = 3 }},
		"to one target IP": {smtptest.Domains(10, "many.test"), func(l *store.Limits) { l.IP.MaxConnections = 3 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, db := mtatest.SQLite(t)
			mtatest.Throttle(t, db, "three", "", c.limit)
			k := mtatest.NewSink(t, &smtptest.Sink{MaxConnections: 3, Rules: []smtptest.Rule{
				{Stage: smtptest.Dot, Action: smtptest.Action{Act: smtptest.Delay, For: 20 * time.Millisecond}}}})
			d := mtatest.Start(t, k.Settings().With(set))
			most := int64(0)
			d.Send(t, &smtptest.Source{Messages: 300, Size: 600, Domains: c.domains})
			mtatest.Eventually(t, "all mails arrive", func() bool {
				most = max(most, k.Stats().Open)
				return k.Tally().Distinct() >= 300
			})
			require.Zero(t, k.Stats().Deferred, "connections that were refused")
			require.LessOrEqual(t, most, int64(3))
			require.Greater(t, most, int64(1), "connections at a time")
			require.Zero(t, k.Duplicates())
		})
	}
}

// TestFlood has an answer set off a flood: nothing for a while, then little, then everything.
func TestFlood(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	const pause, reduced = 3 * time.Second, 4 * time.Second
	flood := func(name, pattern string, perMinute int64) store.FloodResponse {
		return store.FloodResponse{Name: name, Pattern: pattern, Type: store.Contains, Pause: int64(pause.Seconds()),
			Duration: int64(reduced.Seconds()),
			Limits:   mtatest.Limits(func(l *store.Limits) { l.Site.MaxMessages = perMinute }), Enabled: true}
	}
	mtatest.Insert(t, db, flood("too fast", "sending too fast", 120), flood("strict", "4.7.28", 60),
		flood("other", "no such text", 1))
	w := newWatch(t, &smtptest.Sink{Rules: []smtptest.Rule{{Stage: smtptest.Rcpt, Pattern: "trigger@*",
		Action: smtptest.Action{Act: smtptest.Reply, Code: 450, Text: "4.7.28 You are sending too fast"}}}})
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, w.Settings().With(set).With(logging).With(mtatest.Settings{"retry-interval": "3600"}))
	d.Submit(t, "a@client.test", "trigger@flood.test", mtatest.Letters)
	mtatest.AwaitAttempts(t, log, "trigger@flood.test", 1)
	began := time.Now()
	d.Send(t, &smtptest.Source{Messages: 60, Size: 600, Domains: []string{"flood.test"}})
	d.Send(t, &smtptest.Source{Messages: 20, First: 1000, Size: 600, Domains: []string{"calm.test"}})
	mtatest.Eventually(t, "other domains are not concerned", func() bool { return w.count() >= 20 })
	require.Less(t, time.Since(began), pause)
	w.arriveAll(t, 80)
	ended := time.Now()
	times, late := w.between(began, ended)
	slack := late + 100*time.Millisecond
	times = times[20:]
	require.Greater(t, times[0].Sub(began), pause-slack, "nothing during the pause")
	few := 0
	for _, at := range times {
		if at.Sub(began) < pause+reduced-slack {
			few++
		}
	}
	require.InDelta(t, 4, few, 2, "mails at the reduced rate, the stricter of both")
	require.Less(t, ended.Sub(began), pause+reduced+5*time.Second, "and then all of them")
}

// TestWarmUp goes on with the day that a warm-up has come to, counts today, and knows it after a restart.
func TestWarmUp(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	slow := mtatest.Throttle(t, db, "first day", "nobody.test", func(l *store.Limits) { l.Site.MaxMessages = 30 })
	fast := mtatest.Throttle(t, db, "second day", "nobody.test", func(l *store.Limits) { l.Site.MaxMessages = 600 })
	warm := store.Schedule{Name: "warm-up", Enabled: true}
	require.NoError(t, store.Insert(t.Context(), db, &warm))
	mtatest.Insert(t, db, store.ScheduleStep{Schedule: warm.ID, Day: 1, Capacity: slow.ID},
		store.ScheduleStep{Schedule: warm.ID, Day: 2, Capacity: fast.ID})
	mtatest.Insert(t, db, store.ScheduleRule{Schedule: warm.ID, Domain: "*.warm.test", Enabled: true})
	day := func(t time.Time) string { return t.Format(time.DateOnly) }
	started := time.Now()
	mtatest.Insert(t, db, store.ScheduleDay{LocalIP: "", Site: "old.warm.test", Day: 1,
		LastSent: day(started.AddDate(0, 0, -1))})

	w := newWatch(t, &smtptest.Sink{})
	d := mtatest.Start(t, w.Settings().With(set))
	counter := func(site string) (row store.ScheduleDay) {
		rows, _, err := store.Select[store.ScheduleDay](t.Context(), db, store.Query{Column: "site", Value: site})
		require.NoError(t, err)
		for _, row = range rows {
		}
		return row
	}
	d.Send(t, &smtptest.Source{Messages: 60, Size: 600, Domains: []string{"old.warm.test"}})
	d.Send(t, &smtptest.Source{Messages: 60, First: 1001, Size: 600, Domains: []string{"new.warm.test"}})
	mtatest.Eventually(t, "mails on the second day",
		func() bool { _, missing := w.Tally().Missing(60, 1); return missing == 0 })
	took := time.Since(started)
	new := w.count() - 60
	require.LessOrEqual(t, float64(new), took.Seconds()/2+2, "mails on the first day, 30 a minute")
	require.Greater(t, took, 5*time.Second, "60 mails at 600 a minute")
	mtatest.Eventually(t, "the day is stored",
		func() bool { return counter("old.warm.test").Day == 2 && counter("new.warm.test").Day == 1 })
	require.Contains(t, []string{day(started), day(time.Now())}, counter("old.warm.test").LastSent)

	d.Terminate(t)
	d = d.Again(t)
	from := w.count()
	d.Send(t, &smtptest.Source{Messages: 20, First: 201, Size: 600, Domains: []string{"old.warm.test"}})
	mtatest.Eventually(t, "mails on the same day", func() bool { return w.Tally().Has(220) })
	require.Less(t, w.count()-from, 30, "the other one is still on its first day")
	require.Equal(t, int64(2), counter("old.warm.test").Day)
	d.Kill()
}

// TestGreylisting tries again after the throttle's delay, from the same address, rather than after that of the
// configuration.
func TestGreylisting(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	leaveFrom(t, db, "127.0.0.11", "127.0.0.12", "127.0.0.13")
	mtatest.Throttle(t, db, "grey", "grey.test", func(l *store.Limits) { l.GreylistDelay, l.GreylistSameIP = 2, 1 })
	k := mtatest.NewKeeper(t, &smtptest.Sink{Rules: []smtptest.Rule{{Stage: smtptest.Rcpt, Pattern: "*@grey.test",
		Action: smtptest.Action{Act: smtptest.Greylist, For: time.Second}}}})
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, k.Settings().With(set).With(logging).With(mtatest.Settings{"retry-interval": "3600",
		"smtp-default-ips": "127.0.0.11,127.0.0.12,127.0.0.13"}))
	d.Submit(t, "a@client.test", "x@grey.test", mtatest.Letters)
	first := mtatest.AwaitAttempts(t, log, "x@grey.test", 1)[0]
	began := time.Now()
	m := k.Await(t, 1)[0]
	require.InDelta(t, 2, time.Since(began).Seconds(), 1.5)
	require.Equal(t, first.Last().From, m.Remote.Addr().String(), "greylisting remembers addresses")
}

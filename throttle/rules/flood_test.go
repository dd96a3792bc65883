package rules_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
	"github.com/sluicemail/sluice/throttle/rules"
)

func flood(name, pattern string, pause, duration time.Duration, values rules.Values) rules.Flood {
	return rules.Flood{Name: name, Pattern: pattern, Type: "fnmatch", Pause: pause, Duration: duration, Values: values}
}

// told collects what Changed reports.
type told struct {
	mu  sync.Mutex
	all []throttle.Path
}

func listen(th throttle.Throttler) *told {
	l := new(told)
	th.Changed(func(p throttle.Path) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, p)
	})
	return l
}

func (l *told) paths() []throttle.Path {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]throttle.Path(nil), l.all...)
}

func say(th throttle.Throttler, path throttle.Path, code int, text string) {
	th.Observe(path, target, throttle.Outcome{Code: code, Text: text, Sent: code < 300})
}

// phases returns the active floods of a path as text, with what is left of their phase.
func phases(live *rules.Live) (all []string) {
	for _, f := range live.Floods() {
		all = append(all, fmt.Sprintf("%s %s %s %s", f.Path.Site, f.Name, f.Phase, time.Until(f.Until)))
	}
	return all
}

func TestFloodPausesThenReduces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, live := start(t, throttle.Limits{Domain: throttle.Rates{Messages: 600}}, rules.Config{
			Floods: []rules.Flood{flood("slow down", "*too fast*", 30*time.Second, 2*time.Minute,
				rules.Values{"maxmessages": 60, "maxconnections": 1})}})
		told := listen(th)
		conn, _ := th.Connect(pathA, target)
		other, _ := th.Connect(pathB, target)
		require.True(t, conn.Send(1).Zero())

		say(th, pathA, 250, "2.0.0 never too fast")
		say(th, pathA, 550, "5.1.1 unknown")
		th.Observe(pathA, target, throttle.Outcome{Text: "too fast", ConnLost: true})
		require.Empty(t, live.Floods(), "neither successes, nor other answers, nor broken connections")
		say(th, pathA, 421, "4.7.0 You are TOO FAST")
		require.Equal(t, []throttle.Path{pathA}, told.paths())
		require.Equal(t, []string{"a.example slow down paused 30s"}, phases(live))

		pause := throttle.Wait{For: 30 * time.Second, Limit: "pause", Rule: "flood slow down"}
		require.Equal(t, pause, conn.Send(1), "open connections pause too")
		_, wait := th.Connect(pathA, target)
		require.Equal(t, pause, wait)
		require.True(t, other.Send(1).Zero(), "other paths flow")

		time.Sleep(10 * time.Second)
		say(th, pathA, 421, "too fast")
		require.Equal(t, []string{"a.example slow down paused 20s"}, phases(live),
			"mails that were under way prolong nothing")
		require.Len(t, told.paths(), 1)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Equal(t, []throttle.Path{pathA, pathA}, told.paths(), "the end of the pause is told")
		require.Equal(t, []string{"a.example slow down reduced 2m0s"}, phases(live))
		require.Equal(t, "60 flood slow down", messages(th, pathA))
		_, wait = th.Connect(pathA, target)
		require.Equal(t, throttle.Wait{For: time.Hour, Limit: "maxconnections", Rule: "flood slow down"}, wait)
		sent := 0
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			if wait := conn.Send(1); !wait.Zero() {
				time.Sleep(min(wait.For, time.Until(end)))
				continue
			}
			sent++
		}
		require.InDelta(t, 60, sent, 1)

		say(th, pathA, 421, "too fast")
		require.Equal(t, []string{"a.example slow down paused 30s"}, phases(live), "a later answer begins anew")
		time.Sleep(150*time.Second - time.Nanosecond)
		synctest.Wait()
		require.Len(t, live.Floods(), 1)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Empty(t, live.Floods())
		require.Equal(t, "600 ", messages(th, pathA), "and it is over")
		conn.Close()
		other.Close()
	})
}

func TestStrictestOfSeveralFloodsCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, live := start(t, throttle.Limits{Domain: throttle.Rates{Messages: 100}}, rules.Config{
			Rules: []rules.Rule{{Name: "rule", Patterns: []rules.Pattern{{}},
				Values: rules.Values{"maxconnections": 5, "maxconnects": 50}}},
			Floods: []rules.Flood{
				flood("one", "*", 0, time.Minute, rules.Values{"maxmessages": 200, "maxconnections": 3, "connection_minmessages": 5,
					"security": 2, "maxbytes": 0}),
				flood("two", "*", 0, 2*time.Minute, rules.Values{"maxmessages": 0, "maxconnections": 2, "maxconnects": 0,
					"connection_minmessages": 3, "security": 0, "maxbytes": 7}),
			}})
		say(th, pathA, 451, "x")
		l := th.Limits(pathA)
		require.Equal(t, throttle.Rates{Messages: 100, Bytes: 7, Connects: 50, Connections: 2}, l.Domain)
		require.Equal(t, 5, l.Connection.MinMessages)
		require.Equal(t, "required", l.Connection.Security)
		require.Equal(t, map[string]string{"maxconnects": "rule", "maxconnections": "flood two",
			"connection_minmessages": "flood one",
			"security":               "flood one", "maxbytes": "flood two"}, l.Origin)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"a.example two reduced 1m0s"}, phases(live))
		require.Equal(t, 3, th.Limits(pathA).Connection.MinMessages)
		say(th, pathA, 451, "x")
		require.Equal(t, []string{"a.example two reduced 2m0s", "a.example one reduced 1m0s"}, phases(live),
			"without a pause, answers prolong")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, 5, th.Limits(pathA).Domain.Connections)
	})
}

func TestFloodsOfSomePathsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := flood("f", "*", time.Minute, 0, nil)
		f.Source, f.Domain = ip1, "mail.example"
		th, live := start(t, throttle.Limits{}, rules.Config{Floods: []rules.Flood{f}})
		say(th, pathA, 451, "x")
		th.Alias("a.example", "mail.example")
		say(th, pathB, 451, "x")
		require.Empty(t, live.Floods())
		say(th, pathA, 451, "x")
		require.Equal(t, []string{"a.example f paused 1m0s"}, phases(live))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, live.Floods(), "a flood may be a pause alone")
	})
}

func TestResumeAndClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, live := start(t, throttle.Limits{}, rules.Config{Floods: []rules.Flood{
			flood("one", "*", time.Minute, time.Minute, rules.Values{"maxmessages": 5}),
			flood("two", "*", 2*time.Minute, 0, nil)}})
		say(th, pathA, 451, "x")
		say(th, throttle.Path{Site: "b.example"}, 451, "x")
		told := make(chan throttle.Path, 10)
		th.Changed(func(p throttle.Path) { told <- p })
		require.Zero(t, live.Resume(pathB, ""))
		require.Zero(t, live.Resume(pathA, "three"))
		require.Empty(t, told)
		require.Equal(t, 2, live.Resume(pathA, ""))
		require.Equal(t, pathA, <-told)
		require.Equal(t, []string{"b.example one paused 1m0s", "b.example two paused 2m0s", "a.example one reduced 1m0s"},
			sorted(phases(live)))
		c, wait := th.Connect(pathA, target)
		require.True(t, wait.Zero())
		c.Close()
		require.Equal(t, 2, live.Clear(throttle.Path{}, "one"))
		require.Equal(t, throttle.Path{}, <-told)
		require.Equal(t, "0 ", messages(th, pathA))
		require.Equal(t, 1, live.Clear(throttle.Path{}, ""))
		time.Sleep(time.Hour)
		require.Len(t, told, 1, "no timer is left")
	})
}

func sorted(s []string) []string {
	out := append([]string(nil), s...)
	for i := range out { // by site, b first
		for j := i + 1; j < len(out); j++ {
			if out[j][0] > out[i][0] {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return out
}

func TestFloodsOutliveNewRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := rules.Config{Floods: []rules.Flood{
			flood("one", "*", time.Minute, time.Minute, rules.Values{"maxmessages": 5}), flood("two", "*", time.Minute, 0, nil)}}
		th, live := start(t, throttle.Limits{}, config)
		say(th, pathA, 451, "x")
		time.Sleep(20 * time.Second)
		config.Floods = config.Floods[:1]
		config.Floods[0].Values = rules.Values{"maxmessages": 7}
		live.Set(compile(t, config))
		require.Equal(t, []string{"a.example one paused 40s"}, phases(live))
		require.Equal(t, "7 flood one", messages(th, pathA), "with its new values")
		th.Set(&local.Table{Rules: live})
		require.Equal(t, "7 flood one", messages(th, pathA))
		live.Set(nil)
		require.Empty(t, live.Floods())
		require.Equal(t, "0 ", messages(th, pathA))
	})
}

// TestManyPausedPathsCostNothing: while 10,000 paths are paused, nothing is asked, told or woken until the pause ends.
func TestManyPausedPathsCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10000
		th, live := start(t, throttle.Limits{},
			rules.Config{Floods: []rules.Flood{flood("all", "*", time.Hour, time.Hour, rules.Values{"maxmessages": 1})}})
		var told atomic.Int64
		paths := make([]throttle.Path, n)
		for i := range paths {
			paths[i] = throttle.Path{Source: ip1, Site: fmt.Sprint(i, ".example")}
			for range 3 {
				say(th, paths[i], 421, "a flood that matches every answer")
			}
		}
		th.Changed(func(throttle.Path) { told.Add(1) })
		require.Len(t, live.Floods(), n)
		time.Sleep(time.Hour - 1)
		synctest.Wait()
		require.Zero(t, told.Load())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.EqualValues(t, n, told.Load(), "once for each path")
		for _, p := range paths {
			c, wait := th.Connect(p, target)
			require.True(t, wait.Zero())
			require.True(t, c.Send(1).Zero())
			require.False(t, c.Send(1).Zero())
			c.Close()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		require.EqualValues(t, 2*n, told.Load())
		require.Empty(t, live.Floods())
	})
}

func TestMatchAnswer(t *testing.T) {
	answer := throttle.Outcome{Code: 421, Text: "4.7.0 [TSS04] Messages temporarily deferred"}
	for pattern, want := range map[string]bool{
		"exact 4.7.0 [tss04] messages temporarily deferred":     true,
		"exact 421 4.7.0 [TSS04] Messages temporarily deferred": true,
		"exact 4.7.0":                 false,
		"substr TSS04":                true,
		"substr 421 4":                true,
		"regex ^421":                  true,
		"regex ^4\\.7\\.[0-9]+ .*TSS": true,
		"regex ^450":                  false,
		"fnmatch *tss0?* deferred":    true,
		"fnmatch messages*":           false,
	} {
		var typ, text string
		fmt.Sscanf(pattern, "%s", &typ)
		text = pattern[len(typ)+1:]
		got, err := rules.MatchAnswer(typ, text, answer)
		require.NoError(t, err)
		require.Equal(t, want, got, pattern)
		withCode := throttle.Outcome{Code: 421, Text: "421 " + answer.Text}
		got, err = rules.MatchAnswer(typ, text, withCode)
		require.NoError(t, err)
		require.Equal(t, want, got, "the same when the text begins with the code")
	}
	_, err := rules.MatchAnswer("regex", "(", answer)
	require.ErrorContains(t, err, "missing closing )")
}

func TestExplainTellsFloods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, live := start(t, throttle.Limits{}, rules.Config{
			Rules:  []rules.Rule{rule("all", 100, rules.Pattern{})},
			Floods: []rules.Flood{flood("f", "*", time.Minute, time.Hour, rules.Values{"maxmessages": 5})}})
		text := strings.Repeat("é", 6000)
		say(th, pathA, 451, text)
		began := time.Now()
		e := th.Explain(pathA)
		require.Equal(t, []throttle.Value{{Limit: "maxmessages", Value: 5, Unit: throttle.PerMinute, Rule: "flood f"}},
			e.Values)
		require.Equal(t, []throttle.Binding{{Limit: "pause", Rule: "flood f", Until: began.Add(time.Minute)}}, e.Binding)
		require.Len(t, e.Floods, 1)
		require.True(t, utf8.ValidString(e.Floods[0].Text))
		require.LessOrEqual(t, len(e.Floods[0].Text), 200)
		e.Floods[0].Text = ""
		require.Equal(t, throttle.ActiveFlood{Path: pathA, Name: "f", Phase: throttle.Paused, Since: began,
			Until: began.Add(time.Minute),
			End:   began.Add(61 * time.Minute)}, e.Floods[0])
		require.Nil(t, e.Schedule)
		require.Empty(t, th.Explain(pathB).Floods)
		live.Clear(pathA, "f")
		require.Equal(t, "all", th.Explain(pathA).Values[0].Rule)
	})
}

// TestStorm changes rules, floods, aliases and limits at once, best under the race detector.
func TestStorm(t *testing.T) {
	config := manyRules(100)
	config.Floods = []rules.Flood{flood("short", "*", time.Millisecond, time.Millisecond, rules.Values{"maxmessages": 1}),
		flood("long", "*x", time.Hour, 0, nil)}
	config.Schedules = []rules.Schedule{warmup(1, 5)}
	th, live := start(t, throttle.Limits{Domain: throttle.Rates{Connections: 10}}, config)
	sets := []*rules.Set{compile(t, config), compile(t, manyRules(10)), nil}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 300 {
				path := throttle.Path{Source: ip1, Site: fmt.Sprint((worker+i)%20, ".example")}
				if c, wait := th.Connect(path, target); wait.Zero() {
					c.Send(1)
					c.Close()
				}
				say(th, path, 421, []string{"x", "y"}[i%2])
				say(th, path, 250, "fine")
				th.Alias(path.Site, fmt.Sprint(i%20, ".example"))
				th.Explain(path, target)
				switch i % 30 {
				case 0:
					live.Set(sets[(worker+i/30)%3])
				case 10:
					live.Resume(path, "")
				case 20:
					live.Clear(throttle.Path{}, "long")
				}
			}
		})
	}
	wg.Wait()
	live.Set(sets[0])
	live.Clear(throttle.Path{}, "")
	require.Eventually(t, func() bool { return len(live.Floods()) == 0 }, 5*time.Second, time.Millisecond)
	fresh, _ := start(t, throttle.Limits{Domain: throttle.Rates{Connections: 10}}, config)
	for i := range 20 {
		path := throttle.Path{Source: ip1, Site: fmt.Sprint("new", i)}
		require.Equal(t, fresh.Limits(path), th.Limits(path), "what is left is what the rules say")
	}
}

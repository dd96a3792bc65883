package rules_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
	"github.com/sluicemail/sluice/throttle/rules"
)

// warmup allows ten messages a minute more with each step.
func warmup(days ...int) rules.Schedule {
	s := rules.Schedule{Name: "warm", Patterns: []rules.Pattern{{Source: ip1}}}
	for i, day := range slices.Backward(days) {
		s.Steps = append(s.Steps, rules.Step{Day: day, Values: rules.Values{"maxmessages": int64(10 * (i + 1))}})
	}
	return s
}

const day = 24 * time.Hour

// sleep lets time pass and timers do their work.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestScheduleGoesOnWithDaysOfMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, live := start(t, local.Configuration{DomainMaxMessages: 1}.Limits(),
			rules.Config{Schedules: []rules.Schedule{warmup(1, 2, 4)}})
		told := listen(th)
		other := throttle.Path{Source: ip1, Site: "b.example"}
		day1 := "10 schedule warm, day 1"
		for range 3 {
			require.Equal(t, day1, messages(th, pathA), "a day without mail does not count")
			say(th, pathA, 451, "later")
			sleep(day)
		}
		require.Len(t, told.paths(), 3, "each midnight is told, and nothing else")
		require.Equal(t, "1 configuration", messages(th, pathB), "another source")

		for _, want := range []string{day1, "20 schedule warm, day 2", "20 schedule warm, day 3", "30 schedule warm, day 4",
			"30 schedule warm, day 4"} {
			require.Equal(t, want, messages(th, pathA), "the day's values hold before its first mail")
			for range 5 {
				say(th, pathA, 250, "ok")
				require.Equal(t, want, messages(th, pathA))
				sleep(4 * time.Hour)
			}
			require.Equal(t, day1, messages(th, other), "each site has a counter of its own")
			sleep(4 * time.Hour)
			synctest.Wait()
		}
		e := th.Explain(pathA)
		require.Equal(t, &throttle.Warmup{Schedule: "warm", Day: 4, LastDay: 4, LastSent: "2000-01-08"}, e.Schedule)

		live.Set(compile(t, rules.Config{Schedules: []rules.Schedule{warmup(1, 2, 4, 5)}}))
		require.Equal(t, "40 schedule warm, day 5", messages(th, pathA), "a step that is added later is next")
		live.Set(nil)
		say(th, pathA, 250, "ok")
		require.Equal(t, "1 configuration", messages(th, pathA))
		before := len(told.paths())
		sleep(3 * day)
		require.Len(t, told.paths(), before, "without schedules midnight does not matter")
	})
}

func TestScheduleBesideRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := warmup(1)
		s.Steps[0].Values["maxconnections"] = 9
		special := warmup(3)
		special.Name, special.Patterns, special.Steps[0].Values = "special", []rules.Pattern{{Domain: "b.example"}},
			rules.Values{"maxbytes": 5}
		th, _ := start(t, throttle.Limits{Domain: throttle.Rates{Messages: 3, Connections: 3}}, rules.Config{
			Schedules: []rules.Schedule{s, special},
			Rules:     []rules.Rule{{Name: "rule", Patterns: []rules.Pattern{{}}, Values: rules.Values{"maxconnections": 5}}}})
		l := th.Limits(pathA)
		require.EqualValues(t, 10, l.Domain.Messages, "a schedule takes the place of the configuration")
		require.Equal(t, 5, l.Domain.Connections, "and never lets loose what a rule holds")
		l = th.Limits(throttle.Path{Source: ip1, Site: "b.example"})
		require.Equal(t, "schedule special, day 1", l.Origin["maxbytes"],
			"the most specific schedule; the first step holds before its day")
		require.EqualValues(t, 3, l.Domain.Messages)
	})
}

func TestScheduleInAnotherPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := &rules.Live{Location: time.FixedZone("", 5*60*60)}
		defer live.Close()
		th := local.New(&local.Table{Rules: live})
		live.Attach(th.Invalidate)
		live.Set(compile(t, rules.Config{Schedules: []rules.Schedule{warmup(1, 2)}}))
		say(th, pathA, 250, "not asked for yet")
		th.Limits(pathA)
		say(th, pathA, 250, "ok")
		sleep(19*time.Hour - 1)
		synctest.Wait()
		require.Equal(t, "10 schedule warm, day 1", messages(th, pathA))
		sleep(1)
		synctest.Wait()
		require.Equal(t, "20 schedule warm, day 2", messages(th, pathA), "five hours earlier than UTC")
	})
}

// store is a DayStore in memory.
type store struct {
	mu    sync.Mutex
	days  map[string]rules.Day
	err   error
	calls int
	block chan struct{}
}

func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *store) LoadDays(context.Context) (all []rules.Day, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.days {
		all = append(all, d)
	}
	return all, s.err
}

func (s *store) SaveDays(_ context.Context, days []rules.Day) error {
	if s.block != nil {
		<-s.block
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.err != nil {
		return s.err
	}
	if s.days == nil {
		s.days = make(map[string]rules.Day)
	}
	for _, d := range days {
		s.days[d.Source.String()+d.Site] = d
	}
	return nil
}

func (s *store) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, d := range s.days {
		all = append(all, fmt.Sprint(d.Source, " ", d.Site, " ", d.Day, " ", d.LastSent.Format(time.DateOnly)))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// run is a process: it starts, uses the throttler, and ends.
func run(t *testing.T, s *store, use func(th *local.Throttler)) error {
	ctx, cancel := context.WithCancel(t.Context())
	live := &rules.Live{Days: s}
	th := local.New(&local.Table{Rules: live})
	live.Attach(th.Invalidate)
	live.Set(compile(t, rules.Config{Schedules: []rules.Schedule{warmup(1, 2, 3, 4, 5)}}))
	done := make(chan error)
	go func() { done <- live.Run(ctx) }()
	use(th)
	cancel()
	err := <-done
	live.Close()
	return err
}

func mail(th *local.Throttler) {
	th.Limits(pathA)
	say(th, pathA, 250, "ok")
}

func TestDaysSurviveRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(store)
		require.NoError(t, run(t, s, func(th *local.Throttler) {
			synctest.Wait()
			for range 100 {
				mail(th)
			}
			require.Empty(t, s.String())
			sleep(time.Second)
			synctest.Wait()
			require.Equal(t, "192.0.2.1 a.example 1 2000-01-01", s.String(), "saved a second later")
			require.Equal(t, 1, s.calls)
			sleep(day)
			mail(th)
		}))
		require.Equal(t, "192.0.2.1 a.example 2 2000-01-02", s.String(), "the end saves the rest")
		require.NoError(t, run(t, s, func(th *local.Throttler) {
			synctest.Wait()
			require.Equal(t, "20 schedule warm, day 2", messages(th, pathA))
			sleep(day)
			require.Equal(t, "30 schedule warm, day 3", messages(th, pathA))
		}))
		require.Equal(t, "192.0.2.1 a.example 2 2000-01-02", s.String(), "no mail, no change")
	})
}

func TestDaysWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(store)
		require.NoError(t, run(t, s, func(th *local.Throttler) { synctest.Wait(); mail(th) }))
		s.fail(errors.New("down"))
		require.NoError(t, run(t, s, func(th *local.Throttler) {
			mail(th)
			require.Equal(t, "10 schedule warm, day 1", messages(th, pathA))
			sleep(day)
			mail(th)
			require.Equal(t, "20 schedule warm, day 2", messages(th, pathA), "it goes on without the store")
			require.Zero(t, s.calls-1, "what was not loaded is not overwritten")
			s.fail(nil)
			sleep(2 * time.Minute)
			synctest.Wait()
			require.Equal(t, "192.0.2.1 a.example 2 2000-01-02", s.String(),
				"both processes sent on the first day: it counts once")
			s.fail(errors.New("down"))
			sleep(day)
			mail(th)
			sleep(time.Hour)
			require.Equal(t, "192.0.2.1 a.example 2 2000-01-02", s.String())
			s.fail(nil)
			sleep(2 * time.Minute)
			synctest.Wait()
			require.Equal(t, "192.0.2.1 a.example 3 2000-01-03", s.String(), "saved when it is back")
			s.fail(errors.New("down"))
		}))
		s.fail(nil)
		sleep(7 * day)
		s.fail(errors.New("down"))
		err := run(t, s, func(th *local.Throttler) {
			mail(th)
			s.fail(nil)
			sleep(2 * time.Minute)
			synctest.Wait()
			require.Equal(t, "40 schedule warm, day 4", messages(th, pathA), "days of before and of the meantime add up")
			sleep(day)
			mail(th)
			s.fail(errors.New("down"))
		})
		require.ErrorContains(t, err, "the days of schedules were not saved\ndown")
	})
}

func TestWithoutAStore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, new(rules.Live).Run(ctx))
}

func TestSlowStoreHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{block: make(chan struct{})}
		require.NoError(t, run(t, s, func(th *local.Throttler) {
			mail(th)
			sleep(2 * time.Second)
			synctest.Wait()
			began := time.Now()
			mail(th)
			th.Observe(throttle.Path{Source: ip1, Site: "b.example"}, target, throttle.Outcome{Sent: true})
			require.Equal(t, began, time.Now())
			close(s.block)
		}))
		require.Equal(t, "192.0.2.1 a.example 1 2000-01-01", s.String())
	})
}

// TestDayProperty: the counter is the number of days with mail, at most the last step, whatever happens between.
func TestDayProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pauses := rapid.SliceOfN(rapid.Int64Range(0, int64(3*day)), 1, 30).Draw(rt, "pauses")
		var problem string
		synctest.Test(t, func(t *testing.T) {
			th, _ := start(t, throttle.Limits{}, rules.Config{Schedules: []rules.Schedule{warmup(1, 2, 3, 4, 5, 6)}})
			dates := map[string]bool{}
			for _, p := range pauses {
				sleep(time.Duration(p))
				dates[time.Now().UTC().Format(time.DateOnly)] = true
				want := int64(10 * min(len(dates), 6))
				if got := th.Limits(pathA).Domain.Messages; got != want {
					problem = fmt.Sprintf("%d on day %d", got, len(dates))
				}
				say(th, pathA, 250, "ok")
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

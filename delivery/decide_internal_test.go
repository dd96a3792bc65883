package delivery

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/receivers"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

func TestJudge(t *testing.T) {
	yes, no := true, false
	reply := func(state queue.ResultState, code int, text string) queue.Result {
		return queue.Result{State: state, Result: queue.Error, Code: code, Description: text}
	}
	for _, test := range []struct {
		name     string
		reply    queue.Result
		decision Decision
		sent     bool
		want     judgement
	}{
		{"accepted", reply(queue.StateMessage, 250, "ok"), Decision{}, true, succeeded},
		{"accepted, which a rule cannot undo", reply(queue.StateMessage, 450, "later"), Decision{Delay: time.Hour}, true,
			succeeded},
		{"accepted, reported as a failure", reply(queue.StateMessage, 250, "ok"), Decision{Fail: &Refusal{}}, true, failed},
		{"refused for now", reply(queue.StateRcptTo, 450, "full"), Decision{}, false, tryAgain},
		{"refused for good", reply(queue.StateRcptTo, 550, "no such user"), Decision{}, false, failed},
		{"refused before the mail was seen", reply(queue.StateIntro, 554, "go away"), Decision{}, false, tryAgain},
		{"no answer", reply(queue.StateConnect, 0, "timeout"), Decision{}, false, tryAgain},
		{"our own doing", reply(queue.StateProcess, 450, ""), Decision{}, false, failed},
		{"greylisted", reply(queue.StateRcptTo, 451, "Greylisted, please wait"), Decision{}, false, greylisted},
		{"421 is not greylisting", reply(queue.StateRcptTo, 421, "greylist"), Decision{}, false, tryAgain},
		{"greylisted, as a rule says", reply(queue.StateRcptTo, 550, "no"), Decision{Greylisted: &yes}, false, greylisted},
		{"not greylisted, as a rule says", reply(queue.StateRcptTo, 451, "greylist"), Decision{Greylisted: &no}, false,
			tryAgain},
		{"fatal", reply(queue.StateRcptTo, 450, ""), Decision{Fatal: &yes}, false, failed},
		{"not fatal", reply(queue.StateRcptTo, 550, ""), Decision{Fatal: &no}, false, tryAgain},
		{"delayed", reply(queue.StateRcptTo, 550, ""), Decision{Delay: time.Hour}, false, delayed},
		{"fatal comes before a delay", reply(queue.StateRcptTo, 450, ""), Decision{Delay: time.Hour, Fatal: &yes}, false,
			failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			result := test.reply
			result.Class = receivers.Standard().Class(&result, "")
			require.Equal(t, test.want, judge(&test.decision, &result, test.sent))
		})
	}
}

func TestRefusalReplacesWhatItSays(t *testing.T) {
	result := queue.Result{State: queue.StateRcptTo, Result: queue.Timeout, Code: 450, Status: "4.2.2",
		Description: "full"}
	d := Decision{Fail: &Refusal{Code: 550, Description: "not wanted"}}
	require.Equal(t, failed, judge(&d, &result, false))
	require.Equal(t, queue.Result{State: queue.StateRcptTo, Result: queue.Error, Code: 550, Status: "4.2.2",
		Description: "not wanted", Class: queue.ClassRefusedHere}, result)
}

func TestNextAttempt(t *testing.T) {
	now := time.Date(2026, 11, 30, 10, 0, 0, 1, time.UTC)
	tried := func(n int) *queue.Message { return &queue.Message{Results: make([]queue.Result, n)} }
	wanted := func(in time.Duration) *queue.Message {
		return &queue.Message{DeliverBy: &queue.DeliverBy{Time: now.Add(in), Mode: queue.DeliverByNotify}}
	}
	for _, test := range []struct {
		name   string
		m      *queue.Message
		policy RetryPolicy
		delay  time.Duration
		left   time.Duration // until the deadline
		want   time.Duration // in whole seconds, rounded up; zero: there is none
	}{
		{"the first of the intervals", tried(1), RetryPolicy{}, 0, time.Hour, 10*time.Minute + time.Second},
		{"the last of the intervals repeats", tried(9), RetryPolicy{Intervals: []time.Duration{time.Minute, time.Hour}}, 0,
			2 * time.Hour, time.Hour + time.Second},
		{"a delay that a rule says", tried(1), RetryPolicy{}, 5 * time.Second, time.Hour, 6 * time.Second},
		{"not after the deadline", tried(1), RetryPolicy{}, time.Hour, time.Minute, time.Minute + time.Second},
		{"when it is late", wanted(5 * time.Minute), RetryPolicy{}, 0, time.Hour, 5*time.Minute + time.Second},
		{"it is late", wanted(-time.Minute), RetryPolicy{}, 0, time.Hour, 10*time.Minute + time.Second},
		{"its time is over", tried(1), RetryPolicy{}, 0, 0, 0},
		{"its attempts are used up", tried(3), RetryPolicy{MaxAttempts: 3}, 0, time.Hour, 0},
		{"its own attempts are used up", &queue.Message{MaxAttempts: 1, Results: make([]queue.Result, 1)},
			RetryPolicy{MaxAttempts: 3}, 0, time.Hour, 0},
		{"it may be tried for ever", &queue.Message{MaxAttempts: -1, Results: make([]queue.Result, 5)},
			RetryPolicy{MaxAttempts: 3}, time.Second, time.Hour, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := policy{retry: test.policy}
			at, ok := p.nextAttempt(test.m, test.delay, now.Add(test.left), now)
			require.Equal(t, test.want > 0, ok)
			if ok {
				require.Equal(t, now.Truncate(time.Second).Add(test.want), at)
			}
		})
	}
}

// decided is a Steering that pauses and refuses some source addresses, and redirects others.
type decided struct {
	Steering
	paused    map[netip.Addr]Pause
	refused   map[netip.Addr]Refusal
	redirects map[netip.Addr]netip.Addr
}

func (d *decided) Redirect(source netip.Addr, _ string, _ time.Time) (netip.Addr, bool) {
	to, ok := d.redirects[source]
	return to, ok
}

func (d *decided) Refused(s *Selection, _ time.Time) (Refusal, bool) {
	why, ok := d.refused[s.Source]
	return why, ok
}

func (d *decided) Paused(s *Selection, _ time.Time) (Pause, bool) {
	p, ok := d.paused[s.Source]
	return p, ok
}

func TestPlan(t *testing.T) {
	a, b, c, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3"),
		netip.MustParseAddr("2001:db8::1")
	soon, later := time.Now().Add(time.Minute), time.Now().Add(time.Hour)
	for _, test := range []struct {
		name  string
		ips   []string
		unfit families
		rules *decided
		open  []netip.Addr
		code  int       // of the refusal
		until time.Time // of the pause
	}{
		{name: "any address", open: []netip.Addr{{}}},
		{name: "named ones that are here", ips: []string{"192.0.2.1", "198.51.100.1", "192.0.2.2"}, open: []netip.Addr{a, b}},
		{name: "none is here", ips: []string{"198.51.100.1"}, code: 550},
		{name: "of a family that fits", ips: []string{"192.0.2.1", "2001:db8::1"}, unfit: ipv4, open: []netip.Addr{six}},
		{name: "no rule is against it", ips: []string{"192.0.2.1"}, rules: &decided{}, open: []netip.Addr{a}},
		{name: "one is paused", ips: []string{"192.0.2.1", "192.0.2.2"},
			rules: &decided{paused: map[netip.Addr]Pause{a: {}}}, open: []netip.Addr{b}},
		{name: "one is paused, one refused", ips: []string{"192.0.2.1", "192.0.2.2"},
			rules: &decided{paused: map[netip.Addr]Pause{a: {Until: later}}, refused: map[netip.Addr]Refusal{b: {Code: 550}}},
			until: later},
		{name: "all are paused, one of them for less long", ips: []string{"192.0.2.1", "192.0.2.2"},
			rules: &decided{paused: map[netip.Addr]Pause{a: {Until: later}, b: {Until: soon}}}, until: soon},
		{name: "refused for now rather than for good", ips: []string{"192.0.2.1", "192.0.2.2"},
			rules: &decided{refused: map[netip.Addr]Refusal{a: {Code: 550}, b: {Code: 450}}}, code: 450},
		{name: "redirected", ips: []string{"192.0.2.1"},
			rules: &decided{redirects: map[netip.Addr]netip.Addr{a: c}}, open: []netip.Addr{c}},
		{name: "redirected to what is not here", ips: []string{"192.0.2.1"},
			rules: &decided{redirects: map[netip.Addr]netip.Addr{a: netip.MustParseAddr("198.51.100.1")}}, code: 550},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := planner{sources: &Sources{Local: func() []netip.Addr { return []netip.Addr{a, b, c, six} }},
				unbound:  &unbound{},
				throttle: throttle.Unlimited}
			l := letter{m: &queue.Message{IPs: test.ips}, domain: "example.com", unfit: test.unfit}
			var s Steering
			if test.rules != nil {
				s = test.rules
			}
			got, v := p.plan(s, &l, nil)
			require.Equal(t, test.open, got.open)
			require.Equal(t, test.code != 0, v.result != nil, "a refusal")
			if v.result != nil {
				require.Equal(t, test.code, v.result.Code)
			}
			require.Equal(t, !test.until.IsZero(), v.pause != nil, "a pause")
			if v.pause != nil {
				require.Equal(t, test.until, v.pause.Until)
			}
		})
	}
}

func TestPreferredSource(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	both := plan{open: []netip.Addr{a, b}}
	fresh, tried := &letter{m: &queue.Message{}}, &letter{m: &queue.Message{Results: []queue.Result{{From: "192.0.2.2"}}}}

	_, ok := both.preferred(fresh, netip.Addr{})
	require.False(t, ok, "its turn decides")
	require.Equal(t, b, both.ofTurn(3))

	source, ok := both.preferred(fresh, b)
	require.True(t, ok && source == b, "it stays on its path")
	source, ok = both.preferred(tried, netip.Addr{})
	require.True(t, ok && source == b, "greylisting remembers addresses")
	one := plan{open: []netip.Addr{a}, planned: []netip.Addr{b}}
	source, ok = one.preferred(tried, b)
	require.True(t, ok && source == a, "the only one")
	require.Equal(t, b, one.redirected(a))
}

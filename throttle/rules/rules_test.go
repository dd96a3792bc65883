package rules_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
	"github.com/sluicemail/sluice/throttle/rules"
	"github.com/sluicemail/sluice/throttle/throttletest"
)

var (
	ip1    = netip.MustParseAddr("192.0.2.1")
	ip2    = netip.MustParseAddr("192.0.2.2")
	ip3    = netip.MustParseAddr("2001:db8::3")
	target = netip.MustParseAddr("198.51.100.1")
	pathA  = throttle.Path{Source: ip1, Site: "a.example"}
	pathB  = throttle.Path{Source: ip2, Site: "a.example"}
)

// compile makes a set of a configuration that has no problems.
func compile(t testing.TB, config rules.Config) *rules.Set {
	t.Helper()
	set, problems := rules.Compile(config)
	require.Empty(t, problems)
	return set
}

// start returns a throttler with rules.
func start(t testing.TB, base throttle.Limits, config rules.Config) (*local.Throttler, *rules.Live) {
	t.Helper()
	live := new(rules.Live)
	th := local.New(&local.Table{Base: base, Rules: live})
	live.Attach(th.Invalidate)
	live.Set(compile(t, config))
	t.Cleanup(live.Close)
	return th, live
}

func rule(name string, messages int64, patterns ...rules.Pattern) rules.Rule {
	return rules.Rule{Name: name, Values: rules.Values{"maxmessages": messages}, Patterns: patterns}
}

func messages(th throttle.Throttler, path throttle.Path) string {
	l := th.Limits(path)
	return fmt.Sprintf("%d %s", l.Domain.Messages, l.Origin["maxmessages"])
}

// TestThrottler passes a throttler with rules through the same examination as one without.
func TestThrottler(t *testing.T) {
	throttletest.Run(t, func(t *testing.T, limits throttle.Limits) throttle.Throttler {
		values := rules.Values{}
		for _, f := range throttle.Fields() {
			if v := f.Get(&limits); v > 0 && f.Unit != throttle.Seconds &&
				(f.Name != "security" || limits.Connection.Security != "") {
				values[f.Name] = v
			}
		}
		base := throttle.Limits{Connection: throttle.PerConnection{Idle: limits.Connection.Idle}}
		base.Origin, base.PausedUntil = limits.Origin, limits.PausedUntil
		name := "all"
		for _, origin := range limits.Origin {
			name = origin
		}
		if len(limits.Origin) > 1 {
			base, values = limits, nil
		}
		th,
			_ := start(t, base, rules.Config{Rules: []rules.Rule{{Name: name, Values: values, Patterns: []rules.Pattern{{}}}}})
		return th
	})
}

func TestMostSpecificRuleWins(t *testing.T) {
	all := rule("all", 1, rules.Pattern{})
	source := rule("source", 2, rules.Pattern{Source: ip1})
	pool := rule("pool", 3, rules.Pattern{Pool: "Fast"})
	domain := rule("domain", 4, rules.Pattern{Domain: "A.example."})
	wild := rule("wild", 5, rules.Pattern{Domain: "*.example"})
	both := rule("both", 6, rules.Pattern{Source: ip1, Domain: "a.example"})
	poolDomain := rule("pool domain", 7, rules.Pattern{Pool: "fast", Domain: "?.example"})
	first := func(r rules.Rule) rules.Rule { r.Priority = -1; return r }
	pools := map[netip.Addr]string{ip1: "fast", ip3: "slow"}
	for _, c := range []struct {
		name  string
		rules []rules.Rule
		want  string
		path  throttle.Path
	}{
		{"nothing matches", []rules.Rule{both, domain, wild, source, pool}, "9 configuration",
			throttle.Path{Source: ip3, Site: "b.test"}},
		{"all", []rules.Rule{both, domain, all}, "1 all", throttle.Path{Source: ip3, Site: "b.test"}},
		{"source before all", []rules.Rule{first(all), source}, "2 source", pathA},
		{"domain before source", []rules.Rule{first(source), first(pool), domain}, "4 domain", pathA},
		{"both before domain", []rules.Rule{first(domain), first(wild), both}, "6 both", pathA},
		{"pool and domain", []rules.Rule{first(domain), poolDomain}, "7 pool domain", pathA},
		{"another pool", []rules.Rule{domain, poolDomain, pool}, "4 domain", throttle.Path{Source: ip3, Site: "a.example"}},
		{"no pool", []rules.Rule{all, poolDomain, pool}, "1 all", pathB},
		{"the earlier wins a tie", []rules.Rule{domain, wild}, "4 domain", pathA},
		{"the earlier wins a tie, reversed", []rules.Rule{wild, domain}, "5 wild", pathA},
		{"the lower priority number wins a tie", []rules.Rule{domain, first(wild)}, "5 wild", pathA},
		{"pool against source", []rules.Rule{pool, source}, "3 pool", pathA},
		{"system's choice of source", []rules.Rule{source, domain}, "4 domain", throttle.Path{Site: "a.example"}},
		{"mapped address", []rules.Rule{source}, "2 source",
			throttle.Path{Source: netip.MustParseAddr("::ffff:192.0.2.1"), Site: "x"}},
		{"zero is unlimited", []rules.Rule{all, rule("free", 0, rules.Pattern{Domain: "a.example"})}, "0 free", pathA},
		{"unset falls back", []rules.Rule{all, rule("unset", -1, rules.Pattern{Domain: "a.example"})}, "1 all", pathA},
		{"no pattern", []rules.Rule{rule("lost", 5)}, "9 configuration", pathA},
		{"many patterns", []rules.Rule{rule("many", 5, rules.Pattern{Domain: "x"}, rules.Pattern{Source: ip1, Domain: "a.*"},
			rules.Pattern{}), domain}, "5 many", pathA},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := local.Configuration{DomainMaxMessages: 9}.Limits()
			th, _ := start(t, base, rules.Config{Rules: c.rules, Pools: pools})
			require.Equal(t, c.want, messages(th, c.path))
		})
	}
}

func TestValuesFallBackOneByOne(t *testing.T) {
	pattern := []rules.Pattern{{Domain: "a.example"}}
	th, _ := start(t, local.Configuration{DomainMaxConnections: 7, Security: "optional"}.Limits(),
		rules.Config{Rules: []rules.Rule{
			{Name: "domain", Patterns: pattern, Values: rules.Values{"maxmessages": 10, "maxbytes": -1, "greylist_sameip": 1}},
			{ID: 12, Patterns: pattern, Values: rules.Values{"maxmessages": 20, "maxconnects": 30, "security": 9,
				"connection_offline": 60}},
			{Name: "all", Patterns: []rules.Pattern{{}},
				Values: rules.Values{"maxbytes": 1000, "maxconnects": 1, "timeout_data": 1 << 62}},
		}})
	l := th.Limits(pathA)
	require.Equal(t, throttle.Rates{Messages: 10, Bytes: 1000, Connects: 30, Connections: 7}, l.Domain)
	require.Equal(t, throttle.PerConnection{Offline: time.Minute, Security: "verified"}, l.Connection)
	require.True(t, l.Greylist.SameIP)
	require.Positive(t, l.Timeouts.Data, "absurd values are cut, not turned around")
	require.Equal(t, map[string]string{"maxmessages": "domain", "maxbytes": "all", "maxconnects": "capacity 12",
		"maxconnections": "configuration",
		"security":       "capacity 12", "connection_offline": "capacity 12", "greylist_sameip": "domain",
		"timeout_data":    "all",
		"connection_idle": "configuration"}, l.Origin)
	require.Same(t, th.Limits(throttle.Path{Site: "b"}), th.Limits(throttle.Path{Site: "c"}),
		"paths with the same rules share their limits")
}

func TestAliases(t *testing.T) {
	th, live := start(t, throttle.Limits{}, rules.Config{Rules: []rules.Rule{
		rule("mail", 5, rules.Pattern{Domain: "mail.example"}), rule("wild", 6, rules.Pattern{Domain: "*.wild.example"})}})
	told := make(chan throttle.Path, 10)
	require.Equal(t, "0 ", messages(th, pathA))
	require.Equal(t, "0 ", messages(th, pathB))
	th.Changed(func(p throttle.Path) { told <- p })

	th.Alias("a.example", "a.example")
	th.Alias("a.example", "other.example")
	require.Empty(t, told, "no rule names these")
	th.Alias("a.example", "mail.example")
	require.ElementsMatch(t, []throttle.Path{pathA, pathB}, []throttle.Path{<-told, <-told})
	require.Equal(t, "5 mail", messages(th, pathA), "a rule for a domain concerns its site")
	th.Alias("a.example", "mail.example")
	require.Empty(t, told, "nothing new")

	th.Alias("b.example", "mail.example")
	require.Equal(t, "0 ", messages(th, pathA), "the domain moved")
	require.Equal(t, "5 mail", messages(th, throttle.Path{Site: "b.example"}))
	th.Alias("mail.example", "mail.example")
	require.Equal(t, "0 ", messages(th, throttle.Path{Site: "b.example"}))
	th.Alias("a.example", "x.wild.example")
	require.Equal(t, "6 wild", messages(th, pathA))

	live.Set(compile(t, rules.Config{Rules: []rules.Rule{rule("other", 8, rules.Pattern{Domain: "other.example"})}}))
	require.Equal(t, "8 other", messages(th, pathA), "aliases from before the rule count")
	live.Set(nil)
	require.Equal(t, "0 ", messages(th, pathA))
}

func TestProblems(t *testing.T) {
	set, problems := rules.Compile(rules.Config{
		Rules: []rules.Rule{
			{ID: 1, Values: rules.Values{"maxmesages": 1, "maxmessages": 3},
				Patterns: []rules.Pattern{{ID: 2, Domain: "a["}, {ID: 3, Domain: "a.example"}}},
			{ID: 4, Patterns: []rules.Pattern{{ID: 5, Pool: "none"}}},
		},
		Schedules: []rules.Schedule{{ID: 6}, {ID: 7,
			Steps: []rules.Step{{ID: 8, Day: 1, Values: rules.Values{"x": 1}}, {Day: 1}}}},
		Floods: []rules.Flood{
			{ID: 9, Pattern: "(", Type: "regex", Pause: 1},
			{ID: 10, Pattern: "x", Type: "glob", Pause: 1},
			{ID: 11, Pattern: "x", Type: "exact"},
			{ID: 12, Pattern: "x", Type: "exact", Pause: 1, Domain: "[z-a]"},
			{ID: 13, Type: "substr", Pause: 1},
		},
	})
	var said []string
	for _, p := range problems {
		said = append(said, p.Error())
		require.ErrorIs(t, p, p.Err)
	}
	require.Equal(t, []string{
		`capacity 1: there is no limit "maxmesages"`,
		`capacity_rules 2: domain: pattern "a[": a [ has no ]`,
		`capacity_rules 5: pool "none" has no addresses: nothing matches`,
		`schedules 6: there are no steps`,
		`schedule_steps 8: there is no limit "x"`,
		`schedules 7: day 1 has more than one step: the first holds`,
		"flood_responses 9: pattern \"(\": error parsing regexp: missing closing ): `(`",
		`flood_responses 10: unknown type of pattern "glob": expected exact, regex, fnmatch or substr`,
		`flood_responses 11: neither a pause nor a duration: nothing happens`,
		`flood_responses 12: domain: pattern "[z-a]": a range in [] ends before it begins`,
		`flood_responses 13: pattern is empty`,
	}, said)
	th := local.New(nil)
	live := new(rules.Live)
	live.Set(set)
	th.Set(&local.Table{Rules: live})
	require.Equal(t, "3 capacity 1", messages(th, pathA), "the rest is in force")
}

// TestMatchingProperty holds the index against the definition, which tries every pattern of every rule.
func TestMatchingProperty(t *testing.T) {
	sources := []netip.Addr{{}, ip1, ip2, ip3}
	domains := []string{"", "*", "a.example", "b.example", "*.example", "?.example", "b*"}
	matches := map[string][]string{"a.example": {"a.example", "*.example", "?.example"},
		"b.example": {"b.example", "*.example", "?.example", "b*"}}
	pools := map[netip.Addr]string{ip1: "x", ip2: "x"}
	rapid.Check(t, func(t *rapid.T) {
		config := rules.Config{Pools: pools}
		for i := range rapid.IntRange(0, 8).Draw(t, "rules") {
			r := rule(fmt.Sprint(i), rapid.Int64Range(-1, 9).Draw(t, "messages"))
			r.Priority = rapid.Int64Range(0, 2).Draw(t, "priority")
			for range rapid.IntRange(0, 3).Draw(t, "patterns") {
				r.Patterns = append(r.Patterns, rules.Pattern{Source: rapid.SampledFrom(sources).Draw(t, "source"),
					Pool:   rapid.SampledFrom([]string{"", "", "x"}).Draw(t, "pool"),
					Domain: rapid.SampledFrom(domains).Draw(t, "domain")})
			}
			config.Rules = append(config.Rules, r)
		}
		path := throttle.Path{Source: rapid.SampledFrom(sources).Draw(t, "from"),
			Site: rapid.SampledFrom([]string{"a.example", "b.example", "c"}).Draw(t, "site")}
		want, best := "0 ", [2]int64{99, 99}
		for _, r := range config.Rules {
			for _, p := range r.Patterns {
				domain := p.Domain != "" && p.Domain != "*"
				source := p.Source.IsValid() || p.Pool != ""
				level := int64(3)
				for i, ok := range []bool{domain && source, domain, source} {
					if ok {
						level = int64(i)
						break
					}
				}
				fits := !domain
				for _, d := range matches[path.Site] {
					fits = fits || d == p.Domain
				}
				fits = fits && (!p.Source.IsValid() || p.Source == path.Source) && (p.Pool == "" || pools[path.Source] == p.Pool)
				if rank := [2]int64{level, r.Priority}; fits && r.Values["maxmessages"] >= 0 &&
					(rank[0] < best[0] || rank[0] == best[0] && rank[1] < best[1]) {
					best, want = rank, fmt.Sprintf("%d %s", r.Values["maxmessages"], r.Name)
				}
			}
		}
		set, _ := rules.Compile(config)
		live := new(rules.Live)
		live.Set(set)
		if got := messages(local.New(&local.Table{Rules: live}), path); got != want {
			t.Fatalf("%v has %q, expected %q", path, got, want)
		}
	})
}

func manyRules(n int) (config rules.Config) {
	for i := range n {
		p := rules.Pattern{Domain: fmt.Sprint(i, ".example")}
		switch i % 4 {
		case 1:
			p.Domain = "*." + p.Domain
		case 2:
			p.Source = ip1
		case 3:
			p.Domain = ""
		}
		config.Rules = append(config.Rules, rules.Rule{Name: fmt.Sprint(i), Patterns: []rules.Pattern{p},
			Values: rules.Values{"maxmessages": int64(i + 1), "maxconnections": 3, "maxbytes": -1}})
	}
	return config
}

func BenchmarkCompile10000(b *testing.B) {
	config := manyRules(10000)
	for b.Loop() {
		rules.Compile(config)
	}
}

func BenchmarkLimitsFirst(b *testing.B) {
	th, _ := start(b, throttle.Limits{}, manyRules(10000))
	i := 0
	for b.Loop() {
		i++
		th.Limits(throttle.Path{Source: ip1, Site: fmt.Sprint(i, ".example")})
	}
}

func BenchmarkSendWith10000Rules(b *testing.B) {
	th, _ := start(b, throttle.Limits{}, manyRules(10000))
	c, _ := th.Connect(throttle.Path{Source: ip2, Site: "1 .example"}, target)
	th.Set(&local.Table{Base: throttle.Limits{Domain: throttle.Rates{Messages: 1 << 40}}, Rules: new(rules.Live)})
	for b.Loop() {
		c.Send(1000)
	}
}

func Example() {
	live := new(rules.Live)
	throttler := local.New(&local.Table{Rules: live})
	live.Attach(throttler.Invalidate)
	defer live.Close()
	set, problems := rules.Compile(rules.Config{
		Rules: []rules.Rule{{Name: "gentle", Values: rules.Values{"maxmessages": 60},
			Patterns: []rules.Pattern{{Domain: "*.example.org"}}}},
		Floods: []rules.Flood{{Name: "too fast", Pattern: "*rate limit*", Type: "fnmatch", Pause: time.Minute,
			Duration: time.Hour, Values: rules.Values{"maxmessages": 10}}},
	})
	fmt.Println(len(problems))
	live.Set(set)
	path := throttle.Path{Site: "mx.example.org"}
	fmt.Println(throttler.Limits(path).Domain.Messages)

	throttler.Observe(path, netip.MustParseAddr("192.0.2.25"),
		throttle.Outcome{Code: 421, Text: "4.7.0 Rate limit exceeded"})
	_, wait := throttler.Connect(path, netip.MustParseAddr("192.0.2.25"))
	fmt.Println(wait.Limit, wait.Rule)
	// Output:
	// 0
	// 60
	// pause flood too fast
}

package rules_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/queue"
)

var now = time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)

// compile makes a set of a configuration without problems, at the time now.
func compile(t testing.TB, c rules.Config) *rules.Set {
	t.Helper()
	c.Now = now
	set, problems := rules.Compile(c)
	require.Empty(t, problems)
	return set
}

// told returns the problems of a configuration.
func told(c rules.Config) []string {
	c.Now = now
	_, problems := rules.Compile(c)
	var list []string
	for _, p := range problems {
		list = append(list, p.Error())
	}
	return list
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// somePools are a pool "bulk" of 10.0.0.1 and 10.0.0.2, and "news" of 2001:db8::1.
func somePools(c rules.Config) rules.Config {
	c.Pools = []rules.Pool{{ID: 1, Name: "Bulk"}, {ID: 2, Name: "news"}}
	c.PoolIPs = []rules.PoolIP{{ID: 1, Pool: "bulk", IP: "10.0.0.1"}, {ID: 2, Pool: "BULK", IP: "10.0.0.2"},
		{ID: 3, Pool: "news", IP: "2001:db8::1"}}
	return c
}

func TestSelections(t *testing.T) {
	from1 := delivery.Selection{Source: ip("10.0.0.1"), Domain: "example.com", Tags: []string{"a", "VIP"},
		Target: ip("192.0.2.1")}
	for _, tt := range []struct {
		name    string
		row     rules.ForcedError
		change  func(s *delivery.Selection)
		matches bool
	}{
		{"everything", rules.ForcedError{}, nil, true},
		{"stars", rules.ForcedError{LocalIP: "*", Pool: "*", Domain: "*", IP: "*", Tag: "*"}, nil, true},
		{"address", rules.ForcedError{LocalIP: "10.0.0.1"}, nil, true},
		{"other address", rules.ForcedError{LocalIP: "10.0.0.3"}, nil, false},
		{"address as IPv6", rules.ForcedError{LocalIP: "::ffff:10.0.0.1"}, nil, true},
		{"address of the other", rules.ForcedError{LocalIP: "10.0.0.1"},
			func(s *delivery.Selection) { s.Source = ip("::ffff:10.0.0.1") }, true},
		{"address not known", rules.ForcedError{LocalIP: "10.0.0.1"}, func(s *delivery.Selection) { s.Source = netip.Addr{} },
			false},
		{"pool by address", rules.ForcedError{Pool: "bulk"}, nil, true},
		{"pool by name", rules.ForcedError{Pool: "NEWS"}, func(s *delivery.Selection) { s.Pool = "News" }, true},
		{"other pool", rules.ForcedError{Pool: "news"}, nil, false},
		{"domain", rules.ForcedError{Domain: "Example.COM."}, nil, true},
		{"subdomain", rules.ForcedError{Domain: "example.com"}, func(s *delivery.Selection) { s.Domain = "mx.example.com" },
			false},
		{"wildcard", rules.ForcedError{Domain: "*.example.com"}, func(s *delivery.Selection) { s.Domain = "mx.example.com" },
			true},
		{"wildcard is not the domain", rules.ForcedError{Domain: "*.example.com"}, nil, false},
		{"wildcard in front", rules.ForcedError{Domain: "exam*"}, nil, true},
		{"wildcard everywhere", rules.ForcedError{Domain: "*mpl*"}, nil, true},
		{"wildcard without letters", rules.ForcedError{Domain: "*?*"}, nil, true},
		{"set", rules.ForcedError{Domain: "ex[a-c]mple.com"}, nil, true},
		{"not in set", rules.ForcedError{Domain: "ex[!a-c]mple.com"}, nil, false},
		{"U-labels", rules.ForcedError{Domain: "BÜCHER.example"},
			func(s *delivery.Selection) { s.Domain = "xn--bcher-kva.example" }, true},
		{"A-labels", rules.ForcedError{Domain: "xn--bcher-kva.example"},
			func(s *delivery.Selection) { s.Domain = "bücher.example" }, true},
		{"wildcard and U-labels", rules.ForcedError{Domain: "*.bücher.example"},
			func(s *delivery.Selection) { s.Domain = "a.xn--bcher-kva.example" }, true},
		{"literal", rules.ForcedError{Domain: "[192.0.2.1]"}, func(s *delivery.Selection) { s.Domain = "[192.0.2.1]" }, true},
		{"tag", rules.ForcedError{Tag: "VIP"}, nil, true},
		{"tag in another case", rules.ForcedError{Tag: "vip"}, nil, false},
		{"target", rules.ForcedError{IP: "192.0.2.1"}, nil, true},
		{"other target", rules.ForcedError{IP: "192.0.2.2"}, nil, false},
		{"target not known", rules.ForcedError{IP: "192.0.2.1"}, func(s *delivery.Selection) { s.Target = netip.Addr{} },
			false},
		{"all of it", rules.ForcedError{LocalIP: "10.0.0.1", Pool: "bulk", Domain: "*.com", IP: "192.0.2.1", Tag: "a"}, nil,
			true},
		{"all but the tag", rules.ForcedError{LocalIP: "10.0.0.1", Domain: "*.com", IP: "192.0.2.1", Tag: "b"}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.row.ID, tt.row.Code, tt.row.Cluster = 3, 451, true
			set := compile(t, somePools(rules.Config{Errors: []rules.ForcedError{tt.row}}))
			s := from1
			if tt.change != nil {
				tt.change(&s)
			}
			why, ok := set.Refused(&s, now)
			require.Equal(t, tt.matches, ok)
			if ok {
				require.Equal(t, delivery.Refusal{Rule: "forced error 3", Code: 451, Status: "4.7.1",
					Description: "refused by an operator"}, why)
			}
		})
	}
}

func TestInstances(t *testing.T) {
	config := rules.Config{Instance: 7, Errors: []rules.ForcedError{
		{ID: 1, Domain: "a.example", Instance: 8}, {ID: 2, Domain: "b.example", Instance: 7},
		{ID: 3, Domain: "c.example", Cluster: true, Instance: 8}},
		Pauses: []rules.Pause{{ID: 1, Target: "a.example", Instance: 8}, {ID: 2, Target: "b.example", Instance: 7},
			{ID: 3, Target: "c.example", Cluster: true}}}
	set := compile(t, config)
	for domain, want := range map[string]bool{"a.example": false, "b.example": true, "c.example": true} {
		s := delivery.Selection{Domain: domain}
		_, refused := set.Refused(&s, now)
		_, paused := set.Paused(&s, now)
		require.Equal(t, want, refused, domain)
		require.Equal(t, want, paused, domain)
	}
}

func TestTheLowestForcedErrorCounts(t *testing.T) {
	set := compile(t, rules.Config{Errors: []rules.ForcedError{
		{ID: 9, Cluster: true, Domain: "example.com", Code: 421},
		{ID: 4, Cluster: true, Tag: "x", Code: 554, Extended: "5.3.2", Description: "no"},
	}})
	why, _ := set.Refused(&delivery.Selection{Domain: "example.com", Tags: []string{"x"}}, now)
	require.Equal(t, delivery.Refusal{Rule: "forced error 4", Code: 554, Status: "5.3.2", Description: "no"}, why)
	why, _ = set.Refused(&delivery.Selection{Domain: "example.com"}, now)
	require.Equal(t, 421, why.Code)
}

func TestPausesEnd(t *testing.T) {
	set := compile(t, rules.Config{
		Pauses: []rules.Pause{
			{ID: 1, Cluster: true, Target: "example.com", Expire: now.Add(time.Hour)},
			{ID: 2, Cluster: true, LocalIP: "10.0.0.1", Expire: now.Add(2 * time.Hour)},
			{ID: 3, Cluster: true, Target: "192.0.2.1"},
			{ID: 4, Cluster: true, Tag: "late", Expire: now.Add(-time.Hour)},
			{ID: 5, Cluster: true, Tag: "news"},
		},
		Started: []rules.Pause{{Target: "*.test"}},
	})
	s := delivery.Selection{Source: ip("10.0.0.1"), Domain: "example.com"}
	p, ok := set.Paused(&s, now)
	require.True(t, ok)
	require.Equal(t, delivery.Pause{ID: 2, Rule: "pause 2", Source: true, Until: now.Add(2 * time.Hour)}, p)
	_, ok = set.Paused(&s, now.Add(2*time.Hour))
	require.False(t, ok, "a pause is over at its end")
	s.Target = ip("192.0.2.1")
	p, _ = set.Paused(&s, now)
	require.Equal(t, delivery.Pause{ID: 3, Rule: "pause 3", Target: true}, p, "without an end lasts longest")
	p, _ = set.Paused(&delivery.Selection{Tags: []string{"late", "news"}}, now)
	require.Equal(t, delivery.Pause{ID: 5, Rule: "pause 5", Tag: "news"}, p)
	p, _ = set.Paused(&delivery.Selection{Domain: "a.test"}, now)
	require.Equal(t, delivery.Pause{Rule: "started with --paused"}, p)
	_, ok = set.Paused(&delivery.Selection{Domain: "example.org"}, now)
	require.False(t, ok)
}

func TestPools(t *testing.T) {
	set := compile(t, somePools(rules.Config{}))
	require.Equal(t, []netip.Addr{ip("10.0.0.1"), ip("10.0.0.2")}, set.Pool("BULK"))
	require.Empty(t, set.Pool("other"))
}

func TestSuppressed(t *testing.T) {
	listed := new(rules.Suppressions)
	require.NoError(t, listed.Add("example.com", "domain", rules.Suppression{Code: 554}))
	set := compile(t, rules.Config{Suppressions: listed})
	why, ok := set.Suppressed("x@EXAMPLE.com")
	require.True(t, ok)
	require.Equal(t, 554, why.Code)
	require.Equal(t, "5.1.1", why.Status)
	_, ok = set.Suppressed("x@example.org")
	require.False(t, ok)
	_, ok = compile(t, rules.Config{}).Suppressed("x@example.com")
	require.False(t, ok)
}

func TestRedirects(t *testing.T) {
	const a, b, c, d = "10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1"
	counters := new(rules.Counters)
	config := rules.Config{Counters: counters, Redirects: []rules.Redirect{
		{ID: 1, LocalIP: a, NewIP: b},
		{ID: 2, LocalIP: a, Domain: "example.com", NewIP: c, Expire: now.Add(time.Hour)},
		{ID: 3, LocalIP: a, Domain: "*.org", NewIP: d},
		{ID: 4, LocalIP: c, Domain: "Example.com", NewIP: d},
		{ID: 5, LocalIP: b, Domain: "gone.example", NewIP: a, Expire: now.Add(-time.Second)},
	}}
	set := compile(t, config)
	redirect := func(from, domain string, at time.Time) string {
		to, ok := set.Redirect(ip(from), domain, at)
		require.Equal(t, ok, to.IsValid())
		if !ok {
			return ""
		}
		return to.String()
	}
	require.Equal(t, b, redirect(a, "example.net", now))
	require.Equal(t, d, redirect(a, "example.com", now), "through c")
	require.Equal(t, b, redirect(a, "example.com", now.Add(time.Hour)), "the more specific one is over")
	require.Equal(t, d, redirect(a, "x.org", now))
	require.Equal(t, b, redirect("::ffff:"+a, "gone.example", now))
	require.Equal(t, "", redirect(d, "example.com", now))
	require.Equal(t, "", redirect(c, "example.net", now))
	require.Equal(t, map[int64]int64{1: 3, 2: 1, 3: 1, 4: 1}, counters.Redirects())

	to, ids := set.Redirects(ip(a), "example.com", now)
	require.Equal(t, ip(d), to)
	require.Equal(t, []int64{2, 4}, ids)
	require.Equal(t, int64(1), counters.Redirect(2), "explanations do not count")

	config.Redirects = config.Redirects[:1]
	set = compile(t, config)
	redirect(a, "example.net", now)
	require.Equal(t, map[int64]int64{1: 4}, counters.Redirects(), "counts outlive the set")
	require.Equal(t, int64(0), counters.Redirect(2))
}

func TestLoopsAreLeftOut(t *testing.T) {
	const a, b, c, d = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"
	config := rules.Config{Now: now, Redirects: []rules.Redirect{
		{ID: 1, LocalIP: a, NewIP: b}, {ID: 2, LocalIP: b, NewIP: c}, {ID: 3, LocalIP: c, NewIP: a}, // a loop
		{ID: 4, LocalIP: d, NewIP: a}, // into it
		{ID: 5, LocalIP: c, Domain: "example.com", NewIP: d}, {ID: 6, LocalIP: d, Domain: "example.com", NewIP: c},
		{ID: 7, LocalIP: a, NewIP: a},
		{ID: 8, LocalIP: a, Domain: "*.test", NewIP: d}, {ID: 9, LocalIP: d, Domain: "x.test", NewIP: a},
	}}
	require.Equal(t, []string{
		"delegates 7: newip 10.0.0.1 is localip itself: expected another address",
		"delegates 1: rows 1, 2, 3 are a loop for all domains: 10.0.0.1 → 10.0.0.2 → 10.0.0.3 → 10.0.0.1; expected newip to lead elsewhere",
		"delegates 2: rows 1, 2, 3 are a loop for all domains: 10.0.0.1 → 10.0.0.2 → 10.0.0.3 → 10.0.0.1; expected newip to lead elsewhere",
		"delegates 3: rows 1, 2, 3 are a loop for all domains: 10.0.0.1 → 10.0.0.2 → 10.0.0.3 → 10.0.0.1; expected newip to lead elsewhere",
		"delegates 5: rows 5, 6 are a loop for example.com: 10.0.0.3 → 10.0.0.4 → 10.0.0.3; expected newip to lead elsewhere",
		"delegates 6: rows 5, 6 are a loop for example.com: 10.0.0.3 → 10.0.0.4 → 10.0.0.3; expected newip to lead elsewhere",
		"delegates 8: rows 8, 9 are a loop for x.test: 10.0.0.1 → 10.0.0.4 → 10.0.0.1; expected newip to lead elsewhere",
		"delegates 9: rows 8, 9 are a loop for x.test: 10.0.0.1 → 10.0.0.4 → 10.0.0.1; expected newip to lead elsewhere",
	}, told(config))
	set, _ := rules.Compile(config)
	to, ok := set.Redirect(ip(d), "example.com", now)
	require.True(t, ok)
	require.Equal(t, ip(a), to, "the rest is in force")
}

// TestLoopsThatAppearLater has a loop that is hidden until a redirect is over.
func TestLoopsThatAppearLater(t *testing.T) {
	const a, b, c = "10.0.0.1", "10.0.0.2", "10.0.0.3"
	set := compile(t, rules.Config{Redirects: []rules.Redirect{
		{ID: 1, LocalIP: a, Domain: "example.com", NewIP: b},
		{ID: 2, LocalIP: b, Domain: "example.com", NewIP: c, Expire: now.Add(time.Hour)},
		{ID: 3, LocalIP: b, NewIP: a},
		{ID: 4, LocalIP: c, Domain: "*.com", NewIP: a, Expire: now.Add(time.Minute)},
	}[:3]})
	to, ok := set.Redirect(ip(a), "example.com", now)
	require.True(t, ok)
	require.Equal(t, ip(c), to)
	_, ok = set.Redirect(ip(a), "example.com", now.Add(time.Hour))
	require.False(t, ok, "a → b → a leaves mail where it is")
}

func TestProblems(t *testing.T) {
	const codes = ": expected 400 to 499, with which mail is tried again, or 500 to 599, with which it fails"
	for name, tt := range map[string]struct {
		config rules.Config
		want   []string
	}{
		"pools": {rules.Config{
			Pools: []rules.Pool{{ID: 1, Name: "a"}, {ID: 2, Name: "A"}, {ID: 3}, {ID: 4, Name: "b"}},
			PoolIPs: []rules.PoolIP{{ID: 1, Pool: "a", IP: "10.0.0.1"}, {ID: 2, Pool: "b", IP: "10.0.0.1"},
				{ID: 3, Pool: "a", IP: "10.0.0.1"}, {ID: 4, Pool: "c", IP: "10.0.0.2"}, {ID: 5, Pool: "a", IP: "here"},
				{ID: 6, Pool: "a"}},
			Errors: []rules.ForcedError{{ID: 1, Cluster: true, Pool: "c"},
				{ID: 2, Cluster: true, Pool: "b", LocalIP: "10.0.0.1"}},
			Pauses: []rules.Pause{{ID: 1, Cluster: true, Pool: "d"}},
		}, []string{
			`pools 2: name "A": there is a pool of this name already`,
			`pools 3: name "": expected the name of a pool`,
			`poolips 2: ip 10.0.0.1: it is in pool "a", by row 1; expected an address that is in no other pool`,
			`poolips 3: ip 10.0.0.1: it is in pool "a" already, by row 1`,
			`poolips 4: pool "c": expected the name of a pool`,
			`poolips 5: ip "here": expected an IP address`,
			`poolips 6: ip "": expected an IP address`,
			`errors 1: pool "c": expected the name of a pool`,
			`errors 2: localip 10.0.0.1 is not in pool "b": expected one that is, since both have to match`,
			`paused 1: pool "d": expected the name of a pool`,
		}},
		"errors": {rules.Config{Errors: []rules.ForcedError{
			{ID: 1, Cluster: true, Code: 600}, {ID: 2, Cluster: true, Code: 199}, {ID: 3, Cluster: true, Extended: "5.1"},
			{ID: 4, Cluster: true, Code: 451, Extended: "5.1.1"},
			{ID: 5, Cluster: true, LocalIP: "x"}, {ID: 6, Cluster: true, IP: "x"}, {ID: 7, Cluster: true, Domain: "a b"},
			{ID: 8, Cluster: true, Domain: "[a"}, {ID: 9, Cluster: true, Domain: "x@y.example"},
			{ID: 10, Cluster: true, Domain: "a.example"}, {ID: 11, Cluster: true, Domain: "A.example.", Code: 421},
			{ID: 12, Cluster: true, Domain: "b.example", Code: 250}, {ID: 13, Cluster: true, Domain: "b.example", Code: 399},
			{ID: 14, Cluster: true, Domain: "b.example", Code: 400},
		}}, []string{
			"errors 1: code 600" + codes, "errors 2: code 199" + codes,
			`errors 3: extended "5.1": expected an enhanced status code such as 5.7.1, or nothing`,
			`errors 4: extended "5.1.1" contradicts code 451: expected one that begins with 4`,
			`errors 5: localip "x": expected an IP address, or nothing for all`,
			`errors 6: ip "x": expected an IP address, or nothing for all`,
			`errors 7: domain "a b": expected a domain, wildcards allowed, or nothing for all`,
			`errors 8: domain: pattern "[a": a [ has no ]`,
			`errors 9: domain "x@y.example": expected a domain, wildcards allowed, or nothing for all`,
			"errors 11: row 10 selects the same mail and comes first: this one never counts",
			"errors 12: code 250" + codes, "errors 13: code 399" + codes,
		}},
		"pauses": {rules.Config{Pauses: []rules.Pause{{ID: 1, Cluster: true, Target: "a b"}},
			Started: []rules.Pause{{ID: 2, Target: "-x"}}},
			[]string{`paused 1: target "a b": expected a domain, wildcards allowed, or nothing for all`,
				`started with 0: target "-x": expected a domain, wildcards allowed, or nothing for all`}},
		"redirects": {rules.Config{Redirects: []rules.Redirect{{ID: 1, NewIP: "10.0.0.1"}, {ID: 2, LocalIP: "10.0.0.1"},
			{ID: 3, LocalIP: "10.0.0.1", NewIP: "x"},
			{ID: 4, LocalIP: "10.0.0.1", NewIP: "10.0.0.2"}, {ID: 5, LocalIP: "10.0.0.1", NewIP: "10.0.0.3"}}},
			[]string{`delegates 1: localip "": expected an IP address`, `delegates 2: newip "": expected an IP address`,
				`delegates 3: newip "x": expected an IP address`,
				"delegates 5: row 4 redirects the same mail and comes first: this one never counts"}},
		"rewrite rules": {rules.Config{RewriteRules: []rules.RewriteRule{
			{ID: 1, Starts: now, Ends: now}, {ID: 2, LocalIP: "x"},
			{ID: 3, Conditions: []rules.Condition{{ID: 7, Property: "subject", Type: "glob", Value: "x"}}},
			{ID: 4, Conditions: []rules.Condition{{ID: 8, Property: "subject", Type: "regex", Value: "a(b"},
				{ID: 9, Property: "/mime", Type: "exact", Value: "x"}}},
			{ID: 5, Actions: []rules.Action{{ID: 1, Type: "explode"}, {ID: 2, Type: "setpool", Value: "x"}}},
		}}, []string{
			"rewrite_triggers 1: ends 2030-05-01 12:00:00: expected a time after starts",
			`rewrite_triggers 2: localip "x": expected an IP address, or nothing for all`,
			`rewrite_conditions 7: type: unknown type of pattern "glob": expected exact, regex, fnmatch or substr`,
			"rewrite_triggers 3: its condition 7 makes no sense",
			"rewrite_conditions 8: value: pattern \"a(b\": error parsing regexp: missing closing ): `a(b`",
			"rewrite_triggers 4: its condition 8 makes no sense",
			`rewrite_conditions 9: property "/mime": expected a property, or a header field: the text of the mail is not looked at`,
			"rewrite_triggers 4: its condition 9 makes no sense",
			`rewrite_actions 1: type "explode": expected one of set, addip, setip, removeip, setpool, unsetpool, addtag, removetag, fail, delay, smarthost`,
			`rewrite_actions 2: value "x": expected the name of a pool`,
			"rewrite_triggers 5: its action 1 makes no sense", "rewrite_triggers 5: its action 2 makes no sense",
		}},
		"response patterns": {rules.Config{ResponsePatterns: []rules.ResponsePattern{
			{ID: 1, Type: "exact"}, {ID: 2, Type: "fnmatch", Pattern: "[", Domain: "a"},
			{ID: 3, Type: "substr", Pattern: "x", Actions: []rules.Action{{ID: 5, Type: "retry", Value: "soon"}}},
			{ID: 4, Type: "substr", Pattern: "x", Actions: []rules.Action{{ID: 5, Type: "retry", Value: "soon"}}},
		}}, []string{
			"response_patterns 1: pattern: pattern is empty", `response_patterns 2: pattern: pattern "[": a [ has no ]`,
			`response_actions 5: value "soon": expected seconds, from 1 to 31622400`,
			"response_patterns 3: its action 5 makes no sense", "response_patterns 4: its action 5 makes no sense",
		}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, told(tt.config)) })
	}
}

func TestProblemsNameTheirColumn(t *testing.T) {
	_, problems := rules.Compile(rules.Config{Pauses: []rules.Pause{{ID: 1, Cluster: true, Target: "a b"}}})
	require.Len(t, problems, 1)
	column, ok := errors.AsType[*rules.ColumnError](problems[0])
	require.True(t, ok)
	require.Equal(t, "target", column.Column)
}

// TestTheRestStaysInForce has a broken row between good ones.
func TestTheRestStaysInForce(t *testing.T) {
	set,
		problems := rules.Compile(rules.Config{Errors: []rules.ForcedError{{ID: 1, Cluster: true, Domain: "a.example"},
		{ID: 2, Cluster: true, Domain: "?["}, {ID: 3, Cluster: true, Domain: "c.example"}}})
	require.Len(t, problems, 1)
	for _, domain := range []string{"a.example", "c.example"} {
		_, ok := set.Refused(&delivery.Selection{Domain: domain}, now)
		require.True(t, ok)
	}
}

func TestActionTypesAreAllKnown(t *testing.T) {
	values := map[string]rules.Action{
		"set": {Property: "/priority", Value: "1"}, "setresult": {Property: "/fatal", Value: "true"},
		"addip": {Value: "10.0.0.1"}, "setip": {Value: "10.0.0.1"},
		"removeip": {Value: "10.0.0.1"}, "setpool": {Value: "p"}, "addtag": {Value: "t"}, "removetag": {Value: "t"},
		"delay": {Value: "1"}, "retry": {Value: "1"}, "smarthost": {Value: "h"},
	}
	for _, a := range rules.ActionTypes() {
		require.NotEmpty(t, a.Meaning)
		row := values[a.Name]
		row.Type = strings.ToUpper(a.Name[:1]) + a.Name[1:2] + "-" + a.Name[2:]
		if a.Rewrite {
			require.NoError(t, rewriteProblem(row), a.Name)
		}
		if a.Response {
			require.NoError(t, responseProblem(row), a.Name)
		}
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	for _, a := range []rules.Action{
		{Type: "smarthost", Value: "me:hush@relay:99999"}, {Type: "smarthost", Value: ":hush@relay"},
		{Type: "smarthost", Value: "me:hush@re lay"},
		{Type: "set", Property: "/smarthost", Value: `"hush"`},
		{Type: "set", Property: "/smarthost", Value: `{"hostname":"x","port":"hush"}`},
		{Type: "set", Property: "/smarthost/password", Value: `["hush"]`},
		{Type: "set", Property: "/dkim", Value: `"hush"`},
		{Type: "set", Property: "/dkim", Value: `{"key":7,"expire":"hush"}`},
	} {
		err := rewriteProblem(a)
		require.Error(t, err, a)
		require.NotContains(t, err.Error(), "hush")
	}
	require.NoError(t, rewriteProblem(rules.Action{Type: "smarthost", Value: "me:hush@relay:587"}))
}

func TestTry(t *testing.T) {
	yes := func(ok bool, err error) { t.Helper(); require.NoError(t, err); require.True(t, ok) }
	no := func(ok bool, err error) { t.Helper(); require.NoError(t, err); require.False(t, ok) }
	bad := func(_ bool, err error) { t.Helper(); require.Error(t, err) }
	yes(rules.TryText("fnmatch", "*Spam*", "this is spam"))
	no(rules.TryText("exact", "spam", "this is spam"))
	bad(rules.TryText("regex", "(", "x"))
	bad(rules.TryText("", "x", "x"))
	yes(rules.TryReply("exact", "550 no", 550, "no"))
	yes(rules.TryReply("exact", "no", 0, "no"))
	yes(rules.TryReply("regex", "^no$", 550, "550-no"))
	yes(rules.TryReply("class", "mailbox-full", 0, "552 5.2.2 Mailbox full"))
	yes(rules.TryReply("class", "authentication", 550, "5.7.23 no"))
	bad(rules.TryReply("class", "full", 550, "no"))
	bad(rules.TryReply("exact", "", 550, "no"))
	yes(rules.TryDomain("*.example", "A.EXAMPLE"))
	no(rules.TryDomain("b.example", "a.example"))
	bad(rules.TryDomain("[", "a.example"))
	m := &queue.Message{Envelope: "a@b.example", Recipient: "c@d.example"}
	yes(rules.TryCondition(rules.Condition{Property: "envelope", Type: "substr", Value: "@B."}, m))
	no(rules.TryCondition(rules.Condition{Property: "envelope", Type: "substr", Value: "@B.", Negate: true}, m))
	bad(rules.TryCondition(rules.Condition{Property: "a b", Type: "exact", Value: "x"}, m))
}

// problemsOf is what Compile tells of a configuration.
func problemsOf(c rules.Config) error {
	var all []error
	_, problems := rules.Compile(c)
	for _, p := range problems {
		all = append(all, p)
	}
	return errors.Join(all...)
}

func rewriteProblem(a rules.Action) error {
	return problemsOf(rules.Config{Pools: []rules.Pool{{Name: "p"}},
		RewriteRules: []rules.RewriteRule{{Actions: []rules.Action{a}}}})
}

func responseProblem(a rules.Action) error {
	return problemsOf(rules.Config{SpareActions: []rules.Action{a}})
}

func TestProblemsOfRows(t *testing.T) {
	pools := []rules.Pool{{Name: "x"}}
	for _, good := range []rules.Config{
		{Pools: pools},
		{Pools: pools, PoolIPs: []rules.PoolIP{{Pool: "x", IP: "::1"}}},
		{Errors: []rules.ForcedError{{Code: 550}}},
		{Pauses: []rules.Pause{{Target: "10.0.0.1"}}},
		{Redirects: []rules.Redirect{{LocalIP: "::1", NewIP: "::2"}}},
		{SpareActions: []rules.Action{{Type: "setpool", Value: "one that is not there yet"}}},
	} {
		require.NoError(t, problemsOf(good), good)
	}
	for _, bad := range []rules.Config{
		{Pools: []rules.Pool{{}}},
		{Pools: pools, PoolIPs: []rules.PoolIP{{Pool: "x"}}},
		{PoolIPs: []rules.PoolIP{{IP: "::1"}}},
		{Errors: []rules.ForcedError{{Code: 99}}},
		{Pauses: []rules.Pause{{LocalIP: "a"}}},
		{Redirects: []rules.Redirect{{LocalIP: "::1"}}},
	} {
		require.Error(t, problemsOf(bad), bad)
	}
	err := problemsOf(rules.Config{RewriteRules: []rules.RewriteRule{{Domain: "a b", Conditions: []rules.Condition{{}},
		Actions: []rules.Action{{}}}}})
	require.ErrorContains(t, err, "domain")
	require.ErrorContains(t, err, "property")
	require.ErrorContains(t, err, "type")
	err = problemsOf(rules.Config{ResponsePatterns: []rules.ResponsePattern{{Type: "exact",
		Actions: []rules.Action{{Type: "setresult", Property: "/time", Value: "x"}}}}})
	require.ErrorContains(t, err, "pattern is empty")
	require.ErrorContains(t, err, `property "time"`)
}

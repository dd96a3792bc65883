package rules_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/queue"
)

// The models look at each row in turn; what is tested is that the sets, which do not, find the same.

var (
	someIPs     = rapid.SampledFrom([]string{"", "*", "10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1"})
	poolNames   = rapid.SampledFrom([]string{"", "*", "bulk", "News"})
	someDomains = rapid.SampledFrom([]string{"", "*", "a.example", "b.example", "*.example", "?.example", "[ab].example",
		"a*", "*x*", "*.ex*le", "**", "*a.EXAMPLE", "bücher.example"})
	someTags = rapid.SampledFrom([]string{"", "*", "x", "y"})
	sources  = rapid.SampledFrom([]string{"", "10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1"})
	domains  = rapid.SampledFrom([]string{"", "a.example", "b.example", "c.example", "aa.example",
		"xn--bcher-kva.example", "box.test"})
)

func drawSelection(t *rapid.T) delivery.Selection {
	s := delivery.Selection{Domain: domains.Draw(t, "domain"),
		Pool: rapid.SampledFrom([]string{"", "bulk", "NEWS"}).Draw(t, "pool")}
	s.Source, _ = netip.ParseAddr(sources.Draw(t, "source"))
	s.Target, _ = netip.ParseAddr(sources.Draw(t, "target"))
	s.Tags = rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3).Draw(t, "tags")
	return s
}

// selects is the model of a selection.
func selects(t require.TestingT, s *delivery.Selection, localIP, pool, domain, target, tag string) bool {
	all := func(column string) bool { return column == "" || column == "*" }
	inPool := map[string]string{"10.0.0.1": "bulk", "10.0.0.2": "bulk", "2001:db8::1": "news"}
	ok, err := rules.TryDomain(domain, s.Domain)
	require.NoError(t, err)
	return ok && (all(localIP) || s.Source.IsValid() && s.Source.String() == localIP) &&
		(all(pool) || strings.EqualFold(pool, s.Pool) ||
			s.Source.IsValid() && inPool[s.Source.String()] == strings.ToLower(pool)) &&
		(all(target) || s.Target.IsValid() && s.Target.String() == target) &&
		(all(tag) || slices.Contains(s.Tags, tag))
}

func TestErrorsAsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rules.ForcedError {
			return rules.ForcedError{Cluster: true, LocalIP: someIPs.Draw(t, "localip"), Pool: poolNames.Draw(t, "pool"),
				Domain: someDomains.Draw(t, "domain"), IP: someIPs.Draw(t, "ip"), Tag: someTags.Draw(t, "tag")}
		}), 0, 12).Draw(t, "rows")
		for i := range rows {
			rows[i].ID = int64(i + 1)
		}
		set, problems := rules.Compile(somePools(rules.Config{Errors: rows}))
		broken := brokenRows(problems)
		s := drawSelection(t)
		want := ""
		for _, r := range rows {
			if !broken[r.ID] && selects(t, &s, r.LocalIP, r.Pool, r.Domain, r.IP, r.Tag) {
				want = fmt.Sprintf("forced error %d", r.ID)
				break
			}
		}
		got, ok := set.Refused(&s, now)
		require.Equal(t, want, got.Rule)
		require.Equal(t, want != "", ok)
	})
}

func brokenRows(problems []rules.Problem) map[int64]bool {
	broken := make(map[int64]bool)
	for _, p := range problems {
		broken[p.ID] = true
	}
	return broken
}

func TestPausesAsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rules.Pause {
			r := rules.Pause{Cluster: true, LocalIP: someIPs.Draw(t, "localip"), Pool: poolNames.Draw(t, "pool"),
				Tag:    someTags.Draw(t, "tag"),
				Target: rapid.OneOf(someDomains, someIPs).Draw(t, "target")}
			if hours := rapid.IntRange(-1, 5).Draw(t, "hours"); hours < 5 {
				r.Expire = now.Add(time.Duration(hours) * time.Hour)
			}
			return r
		}), 0, 12).Draw(t, "rows")
		for i := range rows {
			rows[i].ID = int64(i + 1)
		}
		config := somePools(rules.Config{Pauses: rows, Now: now})
		set, problems := rules.Compile(config)
		broken := brokenRows(problems)
		s := drawSelection(t)
		at := now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "later")) * time.Hour)
		var want *rules.Pause
		for i, r := range rows {
			domain, target := r.Target, ""
			if _, err := netip.ParseAddr(r.Target); err == nil {
				domain, target = "", r.Target
			}
			lasts := r.Expire.IsZero() || at.Before(r.Expire)
			if broken[r.ID] || !lasts || !selects(t, &s, r.LocalIP, r.Pool, domain, target, r.Tag) {
				continue
			}
			if want == nil || !want.Expire.IsZero() && (r.Expire.IsZero() || r.Expire.After(want.Expire)) {
				want = &rows[i]
			}
		}
		got, ok := set.Paused(&s, at)
		require.Equal(t, want != nil, ok)
		if ok {
			require.Equal(t, want.ID, got.ID)
			require.Equal(t, want.Expire, got.Until)
		}
	})
}

func TestRedirectsAsTheModel(t *testing.T) {
	addresses := rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"})
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rules.Redirect {
			return rules.Redirect{LocalIP: addresses.Draw(t, "localip"), NewIP: addresses.Draw(t, "newip"),
				Domain: someDomains.Draw(t, "domain")}
		}), 0, 10).Draw(t, "rows")
		for i := range rows {
			rows[i].ID = int64(i + 1)
		}
		set, problems := rules.Compile(rules.Config{Redirects: rows, Now: now})
		broken := brokenRows(problems)
		domain, from := domains.Draw(t, "domain"), addresses.Draw(t, "from")
		at, hops := from, 0
		for ; hops < 10; hops++ {
			next, best := "", 3
			for _, r := range rows {
				ok, err := rules.TryDomain(r.Domain, domain)
				require.NoError(t, err)
				class := 0
				if strings.Trim(r.Domain, "*") == "" {
					class = 2
				} else if strings.ContainsAny(r.Domain, "*?[") {
					class = 1
				}
				if ok && !broken[r.ID] && r.LocalIP == at && class < best {
					next, best = r.NewIP, class
				}
			}
			if next == "" {
				break
			}
			at = next
		}
		if hops == 10 {
			at = from // wildcards that overlap may still be a loop
		}
		to, ok := set.Redirect(ip(from), domain, now)
		require.Equal(t, at != from, ok)
		if ok {
			require.Equal(t, ip(at), to)
		}
	})
}

// letters are characters that case folding treats in odd ways, and others.
var letters = rapid.StringOfN(rapid.RuneFrom([]rune("aAbkKsSſKİiıéÉßẞ0 5.\n�")), 1, 8, -1)

var regexes = rapid.Custom(func(t *rapid.T) string {
	var b strings.Builder
	for range rapid.IntRange(1, 4).Draw(t, "parts") {
		part := strings.NewReplacer(".", `\.`, "\n", "").Replace(letters.Draw(t, "letters"))
		b.WriteString(rapid.SampledFrom([]string{part, "(" + part + "|b)", part + "*", "(?:" + part + ")?", "(" + part + ")+",
			"(?:" + part + "){2}", "(?:" + part + "){0,2}", ".", "[a-k]", `\d`, "^", "$",
			"(" + part + "|" + part + "x|k)"}).Draw(t, "part"))
	}
	return b.String()
})

func TestRepliesAsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rules.ResponsePattern {
			r := rules.ResponsePattern{Domain: someDomains.Draw(t, "domain"), Tag: someTags.Draw(t, "tag"),
				Pool: poolNames.Draw(t, "pool"), Priority: rapid.Int64Range(0, 2).Draw(t, "priority"),
				Type:  rapid.SampledFrom([]string{"exact", "regex", "fnmatch", "substr"}).Draw(t, "type"),
				Final: rapid.IntRange(0, 4).Draw(t, "final") == 0}
			switch r.Type {
			case "regex":
				r.Pattern = regexes.Draw(t, "regex")
			case "fnmatch":
				r.Pattern = letters.Draw(t, "start") +
					rapid.SampledFrom([]string{"*", "?", "[a-k]", "[!]a]", `\*`}).Draw(t, "wild") + letters.Draw(t, "end")
			default:
				r.Pattern = letters.Draw(t, "pattern")
			}
			return r
		}), 0, 8).Draw(t, "rows")
		for i := range rows {
			rows[i].ID = int64(i + 1)
			rows[i].Actions = []rules.Action{{ID: 1, Type: "addtag", Value: fmt.Sprint("rule", i+1)}}
		}
		set, problems := rules.Compile(somePools(rules.Config{ResponsePatterns: rows}))
		broken := brokenRows(problems)
		s := drawSelection(t)
		code := rapid.SampledFrom([]int{0, 250, 550}).Draw(t, "code")
		text := strings.Join(rapid.SliceOfN(letters, 0, 3).Draw(t, "text"), "")
		if rapid.Bool().Draw(t, "coded") {
			text = "550-" + text
		}
		slices.SortStableFunc(rows, func(a, b rules.ResponsePattern) int { return int(a.Priority - b.Priority) })
		var want []string
		for _, r := range rows {
			if broken[r.ID] || !selects(t, &s, "", r.Pool, r.Domain, "", r.Tag) {
				continue
			}
			ok, err := rules.TryReply(r.Type, r.Pattern, code, text)
			require.NoError(t, err)
			if ok {
				want = append(want, r.Actions[0].Value)
				if r.Final {
					break
				}
			}
		}
		m := queue.Message{Recipient: "a@b.example"}
		set.Respond(&s, &m, &queue.Result{Code: code}, text)
		require.Equal(t, want, m.Tags)
	})
}

func TestRewritesAsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rules.RewriteRule {
			r := rules.RewriteRule{Domain: someDomains.Draw(t, "domain"), Tag: someTags.Draw(t, "tag"),
				Priority: rapid.Int64Range(0, 2).Draw(t, "priority"), Final: rapid.IntRange(0, 4).Draw(t, "final") == 0}
			if rapid.Bool().Draw(t, "condition") {
				r.Conditions = []rules.Condition{{Property: rapid.SampledFrom([]string{"envelope", "recipient", "/tags"}).Draw(t,
					"property"), Type: "exact", Negate: rapid.Bool().Draw(t, "negate"),
					Value: rapid.SampledFrom([]string{"x", "A@a.example", "b@b.example", "y", ""}).Draw(t, "value")}}
			}
			r.Actions = []rules.Action{{Type: rapid.SampledFrom([]string{"addtag", "removetag"}).Draw(t, "do"),
				Value: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "what")}}
			if rapid.IntRange(0, 3).Draw(t, "moves") == 0 {
				r.Actions[0] = rules.Action{Type: "set", Property: "/recipient",
					Value: rapid.SampledFrom([]string{"a@a.example", "b@b.example"}).Draw(t, "to")}
			}
			return r
		}), 0, 10).Draw(t, "rows")
		for i := range rows {
			rows[i].ID = int64(i + 1)
		}
		set, problems := rules.Compile(rules.Config{RewriteRules: rows})
		require.Empty(t, problems)
		m := queue.Message{Envelope: rapid.SampledFrom([]string{"", "a@A.example"}).Draw(t, "envelope"),
			Recipient: "a@" + rapid.SampledFrom([]string{"a.example", "b.example", "c.test"}).Draw(t, "at"),
			Tags:      rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3, rapid.ID).Draw(t, "tags")}
		want := m
		slices.SortStableFunc(rows, func(a, b rules.RewriteRule) int { return int(a.Priority - b.Priority) })
		for _, r := range rows {
			ok, _ := rules.TryDomain(r.Domain, want.Domain())
			if !ok || r.Tag != "" && r.Tag != "*" && !slices.Contains(want.Tags, r.Tag) {
				continue
			}
			if len(r.Conditions) > 0 {
				if ok, err := rules.TryCondition(r.Conditions[0], &want); err != nil || !ok {
					continue
				}
			}
			switch a := r.Actions[0]; {
			case a.Type == "set":
				want.Recipient = a.Value
			case a.Type == "addtag" && !slices.Contains(want.Tags, a.Value):
				want.Tags = append(slices.Clone(want.Tags), a.Value)
			case a.Type == "removetag":
				want.Tags = slices.DeleteFunc(slices.Clone(want.Tags), func(s string) bool { return s == a.Value })
			}
			if r.Final {
				break
			}
		}
		set.Rewrite(&m, now)
		require.Equal(t, want.Recipient, m.Recipient)
		require.ElementsMatch(t, want.Tags, m.Tags)
	})
}

package rules_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/queue"
)

const many = 10_000

// manyRows are sets of many rows, by what they are about. None matches what is asked.
func manyRows(t testing.TB) map[string]*rules.Set {
	var all struct{ pauses, wild, errors, redirects, rewrites, replies, regexes rules.Config }
	for i := range int64(many) {
		domain := fmt.Sprintf("customer%d.example", i)
		switch i % 4 {
		case 0:
			all.pauses.Pauses = append(all.pauses.Pauses, rules.Pause{ID: i, Cluster: true, Target: domain})
		case 1:
			all.pauses.Pauses = append(all.pauses.Pauses, rules.Pause{ID: i, Cluster: true, Tag: domain})
		case 2:
			all.pauses.Pauses = append(all.pauses.Pauses,
				rules.Pause{ID: i, Cluster: true, LocalIP: "10.0.0.1", Target: "gmail.com", Tag: domain})
		default:
			all.pauses.Pauses = append(all.pauses.Pauses,
				rules.Pause{ID: i, Cluster: true, Target: fmt.Sprintf("192.0.%d.%d", i/256%256, i%256)})
		}
		all.wild.Errors = append(all.wild.Errors, rules.ForcedError{ID: i, Cluster: true, Domain: "*." + domain})
		all.errors.Errors = append(all.errors.Errors,
			rules.ForcedError{ID: i, Cluster: true, Domain: domain, LocalIP: "10.0.0.1"})
		all.redirects.Redirects = append(all.redirects.Redirects,
			rules.Redirect{ID: i, LocalIP: "10.0.0.1", Domain: domain, NewIP: "10.0.0.2"})
		all.rewrites.RewriteRules = append(all.rewrites.RewriteRules,
			rules.RewriteRule{ID: i, Domain: domain,
				Conditions: []rules.Condition{{Property: "subject", Type: "substr", Value: "x"}},
				Actions:    []rules.Action{{Type: "addtag", Value: "x"}}})
		all.replies.ResponsePatterns = append(all.replies.ResponsePatterns,
			rules.ResponsePattern{ID: i, Type: "substr", Pattern: fmt.Sprintf("blocked by list %d", i),
				Actions: []rules.Action{{Type: "retry", Value: "60"}}})
		all.regexes.ResponsePatterns = append(all.regexes.ResponsePatterns,
			rules.ResponsePattern{ID: i, Type: "regex", Pattern: fmt.Sprintf(`(^4\d\d .*blocked \w+ %d|policy-%d)`, i, i),
				Actions: []rules.Action{{Type: "retry", Value: "60"}}})
	}
	return map[string]*rules.Set{"pauses": compile(t, all.pauses), "wildcards": compile(t, all.wild),
		"errors": compile(t, all.errors), "redirects": compile(t, all.redirects),
		"rewrites": compile(t, all.rewrites), "replies": compile(t, all.replies), "regexes": compile(t, all.regexes)}
}

// questions are what an engine asks for a message, one by one.
func questions() map[string]func(s *rules.Set) bool {
	sel := &delivery.Selection{Source: netip.MustParseAddr("10.0.0.1"), Domain: "gmail.com",
		Tags: []string{"campaign-7", "vip"}, Target: netip.MustParseAddr("198.51.100.1")}
	m := &queue.Message{Envelope: "news@sender.example", Recipient: "jane@gmail.com", Tags: sel.Tags,
		IPs: []string{"10.0.0.1"}, Body: queue.Bytes("Subject: hello\r\n\r\nhello\r\n")}
	result := &queue.Result{Code: 550}
	const text = "5.7.1 Our system has detected that this message is likely unsolicited mail.\n5.7.1 To reduce the amount of spam, this message has been blocked. Please visit https://support.example/mail/?p=UnsolicitedMessageError"
	return map[string]func(s *rules.Set) bool{
		"Suppressed": func(s *rules.Set) bool { _, ok := s.Suppressed(m.Recipient); return ok },
		"Rewrite":    func(s *rules.Set) bool { return s.Rewrite(m, now).Rule != "" },
		"Redirect":   func(s *rules.Set) bool { _, ok := s.Redirect(sel.Source, sel.Domain, now); return ok },
		"Refused":    func(s *rules.Set) bool { _, ok := s.Refused(sel, now); return ok },
		"Paused":     func(s *rules.Set) bool { _, ok := s.Paused(sel, now); return ok },
		"Respond":    func(s *rules.Set) bool { return s.Respond(sel, m, result, text).Rule != "" },
	}
}

// asked is the question that a set of rows is about.
var asked = map[string]string{"pauses": "Paused", "wildcards": "Refused", "errors": "Refused", "redirects": "Redirect",
	"rewrites": "Rewrite", "replies": "Respond", "regexes": "Respond"}

func TestNothingIsAllocatedWhereNothingMatches(t *testing.T) {
	ask := questions()
	for name, set := range manyRows(t) {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if ask[asked[name]](set) {
				t.Error("something matched")
			}
		}), name)
	}
}

// TestManyRowsCostLittle bounds the cost loosely, for a busy machine; the benchmark tells what it is.
func TestManyRowsCostLittle(t *testing.T) {
	ask := questions()
	for name, set := range manyRows(t) {
		best := time.Hour
		for range 50 {
			start := time.Now()
			ask[asked[name]](set)
			best = min(best, time.Since(start))
		}
		require.Less(t, best, 100*time.Microsecond, name)
	}
}

func BenchmarkManyRows(b *testing.B) {
	ask := questions()
	for name, set := range manyRows(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ask[asked[name]](set)
			}
		})
	}
}

func BenchmarkEmpty(b *testing.B) {
	set := compile(b, rules.Config{})
	for name, ask := range questions() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ask(set)
			}
		})
	}
}

// BenchmarkMatches is what it costs when one of many rules acts.
func BenchmarkMatches(b *testing.B) {
	set := compile(b,
		rules.Config{RewriteRules: []rules.RewriteRule{{ID: 1, Domain: "gmail.com",
			Actions: []rules.Action{{Type: "set", Property: "/priority", Value: "3"}}}},
			ResponsePatterns: []rules.ResponsePattern{{ID: 1, Type: "regex", Pattern: "unsolicited mail",
				Actions: []rules.Action{{Type: "retry", Value: "60"}}}}})
	ask := questions()
	for _, name := range []string{"Rewrite", "Respond"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !ask[name](set) {
					b.Fatal("nothing matched")
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	config := rules.Config{}
	for i := range int64(many) {
		config.Errors = append(config.Errors, rules.ForcedError{ID: i, Cluster: true,
			Domain: fmt.Sprintf("*.customer%d.example", i)})
		config.Redirects = append(config.Redirects,
			rules.Redirect{ID: i, LocalIP: "10.0.0.1", Domain: fmt.Sprintf("customer%d.example", i), NewIP: "10.0.0.2"})
	}
	for b.Loop() {
		rules.Compile(config)
	}
}

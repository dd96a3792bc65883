package rules_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/queue"
)

// testCase is a file of testdata: what a message, and a result, are before and after.
type testCase struct {
	Says     string                  `json:"says"`
	Defaults []string                `json:"defaults"`
	Message  json.RawMessage         `json:"message"`
	Rules    []rules.RewriteRule     `json:"rules"`
	Patterns []rules.ResponsePattern `json:"patterns"`
	Result   json.RawMessage         `json:"result"`
	Text     string                  `json:"text"`
	Expect   struct {
		Message  json.RawMessage   `json:"message"`
		Result   json.RawMessage   `json:"result"`
		Decision delivery.Decision `json:"decision"`
	} `json:"expect"`
}

// eachCase runs the cases of a folder.
func eachCase(t *testing.T, folder string, run func(t *testing.T, c *testCase, set *rules.Set, m *queue.Message)) {
	files, err := filepath.Glob("testdata/" + folder + "/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var c testCase
			require.NoError(t, json.Unmarshal(text, &c))
			set := compile(t,
				withPool(somePools(rules.Config{RewriteRules: c.Rules, ResponsePatterns: c.Patterns, DefaultIPs: c.Defaults}), "7"))
			m, err := queue.Unmarshal(c.Message)
			require.NoError(t, err)
			shared := *m
			run(t, &c, set, m)
			require.JSONEq(t, string(c.Message), string(asJSON(t, &shared)), "another message of the same mail has changed")
			require.JSONEq(t, string(c.Expect.Message), string(asJSON(t, m)), c.Says)
		})
	}
}

func withPool(c rules.Config, name string) rules.Config {
	c.Pools = append(c.Pools, rules.Pool{ID: 99, Name: name})
	return c
}

func asJSON(t *testing.T, m *queue.Message) []byte {
	raw, err := queue.AppendJSON(nil, m)
	require.NoError(t, err)
	return raw
}

func TestRewriteCases(t *testing.T) {
	eachCase(t, "rewrite", func(t *testing.T, c *testCase, set *rules.Set, m *queue.Message) {
		d := set.Rewrite(m, now)
		require.Equal(t, c.Expect.Decision, d, c.Says)
	})
}

func TestRespondCases(t *testing.T) {
	s := delivery.Selection{Source: ip("10.0.0.1"), Domain: "example.com"}
	eachCase(t, "respond", func(t *testing.T, c *testCase, set *rules.Set, m *queue.Message) {
		result, err := queue.UnmarshalResult(c.Result)
		require.NoError(t, err)
		shared := *result
		d := set.Respond(&s, m, result, c.Text)
		require.Equal(t, c.Expect.Decision, d, c.Says)
		require.JSONEq(t, string(c.Expect.Result), string(result.AppendJSON(nil)), c.Says)
		require.JSONEq(t, string(c.Result), string(shared.AppendJSON(nil)), "a copy of the result has changed")
	})
}

// TestRewritingTwiceChangesNothing runs every case again on what it made, as before a second attempt.
func TestRewritingTwiceChangesNothing(t *testing.T) {
	for _, name := range []string{"addresses", "pools", "tags", "set-nested", "smarthost", "conditions", "delay"} {
		text, err := os.ReadFile("testdata/rewrite/" + name + ".json")
		require.NoError(t, err)
		var c testCase
		require.NoError(t, json.Unmarshal(text, &c))
		set := compile(t, somePools(rules.Config{RewriteRules: c.Rules}))
		m, err := queue.Unmarshal(c.Message)
		require.NoError(t, err)
		set.Rewrite(m, now)
		m, err = queue.Unmarshal(asJSON(t, m)) // as a queue does
		require.NoError(t, err)
		first := asJSON(t, m)
		if d := set.Rewrite(m, now); name == "delay" {
			require.Zero(t, d.Delay, "a rule delays once")
			continue
		} else if name != "set-nested" { // "-" appends whenever it runs
			require.JSONEq(t, string(first), string(asJSON(t, m)), name)
		}
	}
}

// TestNothingIsShared changes what rules made of one message and looks at another, and at a third one.
func TestNothingIsShared(t *testing.T) {
	set := compile(t, somePools(rules.Config{RewriteRules: []rules.RewriteRule{{ID: 1, Actions: []rules.Action{
		{ID: 1, Type: "set", Property: "/tags", Value: `["a"]`},
		{ID: 2, Type: "set", Property: "/dkim",
			Value: `[{"domain":"a.example","selector":"s","key":"k","headers":["x"],"protocols":["dkim"]}]`},
		{ID: 3, Type: "set", Property: "/dsn", Value: `{"notify":["NEVER"]}`},
		{ID: 4, Type: "set", Property: "/queues", Value: `{"results":"a","dsn":"b"}`},
		{ID: 5, Type: "set", Property: "/headers", Value: `{"remove":["a"],"append":{"b":"c"}}`},
		{ID: 6, Type: "set", Property: "/retries", Value: `[1]`},
		{ID: 7, Type: "set", Property: "/data", Value: `{"a":1}`}, {ID: 8, Type: "set", Property: "/x", Value: `"y"`},
		{ID: 9, Type: "smarthost", Value: "relay"},
		{ID: 10, Type: "addip", Value: "10.0.0.1"},
	}}}}))
	one, two := queue.Message{Recipient: "a@b.example", IPs: []string{"10.0.0.9"}},
		queue.Message{Recipient: "a@b.example", IPs: []string{"10.0.0.9"}}
	set.Rewrite(&one, now)
	want := asJSON(t, &one)
	one.Tags[0], one.DKIM[0].Headers[0], one.DKIM[0].Protocols[0], one.DKIM[0].Key = "!", "!", "!", "!"
	one.DSN.Notify[0], *one.Queues.Results, *one.Queues.DSN, one.Headers.Remove[0], one.Headers.Append[0].Value = "!", "!",
		"!", "!", "!"
	one.Retries[0], one.Data[1], one.Extra["x"][1], one.Smarthost.Hostname, one.IPs[1] = 0, '!', '!', "!", "!"
	one.Extra["new"] = json.RawMessage(`1`)
	set.Rewrite(&two, now)
	require.JSONEq(t, string(want), string(asJSON(t, &two)))
}

package rules_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/queue"
)

// FuzzSet sets any property to any value in any message. What comes out is a message still, and its copy is untouched.
func FuzzSet(f *testing.F) {
	f.Add("/custom/a/0", `{"x":[1]}`, `{"recipient":"a@b.example","custom":{"a":["b",2]}}`)
	f.Add("/headers/update/x", "text", `{"recipient":"a@b.example","headers":{"remove":["y"]}}`)
	f.Add("/a~1b/~0/-", "null", `{"recipient":"a@b.example","a/b":{"~":[]}}`)
	f.Add("/smarthost/port", "25", `{"recipient":"a@b.example","smarthost":{"hostname":"h","odd":[{}]}}`)
	f.Add("/dkim/0/expire", "5", `{"recipient":"a@b.example","dkim":[{"domain":"d"},{"domain":"e"}],"a":1e400}`)
	f.Fuzz(func(t *testing.T, pointer, value, text string) {
		m, err := queue.Unmarshal([]byte(text))
		if err != nil {
			return
		}
		set,
			_ := rules.Compile(rules.Config{RewriteRules: []rules.RewriteRule{{ID: 1,
			Actions: []rules.Action{{ID: 1, Type: "set", Property: pointer, Value: value}}}}})
		shared := *m
		before, err := queue.AppendJSON(nil, m)
		require.NoError(t, err)
		set.Rewrite(m, now)
		after, err := queue.AppendJSON(nil, m)
		require.NoError(t, err)
		require.True(t, json.Valid(after), "%s", after)
		_, err = queue.Unmarshal(after)
		require.NoError(t, err, "%s", after)
		unchanged, err := queue.AppendJSON(nil, &shared)
		require.NoError(t, err)
		require.Equal(t, len(before), len(unchanged))
	})
}

// FuzzUnknown has properties that are no JSON, as a careless caller may leave them.
func FuzzUnknown(f *testing.F) {
	for _, raw := range []string{`{"a":1}`, `{ "a" : [ 1 ]}`, `{`, `[,`, `[:`, `{1:2}`, `"`, `{"a":"\`, `[{]`, ``, `{,`,
		`}`} {
		f.Add("/x/a/0", raw, "1")
	}
	f.Fuzz(func(t *testing.T, pointer, raw, value string) {
		set, _ := rules.Compile(rules.Config{RewriteRules: []rules.RewriteRule{{ID: 1,
			Conditions: []rules.Condition{{ID: 1, Property: pointer, Type: "substr", Value: "x", Negate: true}},
			Actions: []rules.Action{{ID: 1, Type: "set", Property: pointer, Value: value},
				{ID: 2, Type: "delay", Value: "1"}}}}})
		m := &queue.Message{Recipient: "a@b.example", Compose: json.RawMessage(raw),
			Extra: map[string]json.RawMessage{"x": json.RawMessage(raw), "rewrite-delays": json.RawMessage(raw)}}
		set.Rewrite(m, now)
	})
}

// FuzzCondition tries any condition on any mail.
func FuzzCondition(f *testing.F) {
	f.Add("subject", "exact", "hello", "Subject: =?utf-8?q?h=C3=A9llo?=\r\n\r\n")
	f.Add("/results/0/code", "regex", "^5", "\r\n")
	f.Add("header: X", "fnmatch", "*[", ": \r\n x")
	f.Fuzz(func(t *testing.T, property, typ, value, mail string) {
		m := &queue.Message{Recipient: "a@b.example", Body: queue.Bytes(mail), Results: []queue.Result{{Code: 550}}}
		yes, err := rules.TryCondition(rules.Condition{Property: property, Type: typ, Value: value}, m)
		no, err2 := rules.TryCondition(rules.Condition{Property: property, Type: typ, Value: value, Negate: true}, m)
		require.Equal(t, err == nil, err2 == nil)
		if err == nil {
			require.NotEqual(t, yes, no)
		}
	})
}

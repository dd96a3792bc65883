package rules_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/rules"
	"github.com/sluicemail/sluice/queue"
)

func TestFactsCannotBeSet(t *testing.T) {
	for _, name := range []string{"message-id", "received", "hostname", "connection", "spool", "cli", "http", "checks",
		"results", "extracted", "nextattempt", "key",
		"mime", "mime-encoding", "raw", "rewrite-delays", "delayed-by", "/connection/user", "/results/0/code", "/m~2", "/",
		""} {
		require.ErrorContains(t, rewriteProblem(rules.Action{Type: "set", Property: name, Value: "1"}), "property",
			name)
	}
	for _, name := range []string{"state", "result", "time", "from", "/certificate/subject", "/code/x", "/fatal/x"} {
		require.ErrorContains(t, responseProblem(rules.Action{Type: "setresult", Property: name, Value: "true"}),
			"p", name)
		require.Error(t, responseProblem(rules.Action{Type: "setresult", Property: name, Value: "true"}), name)
	}
	require.ErrorContains(t, rewriteProblem(rules.Action{Type: "setresult", Property: "/fatal", Value: "true"}),
		"type")
}

func TestValuesThatDoNotFit(t *testing.T) {
	for _, a := range []rules.Action{
		{Type: "set", Property: "/priority", Value: "high"}, {Type: "set", Property: "/security", Value: "none"},
		{Type: "set", Property: "/recipient", Value: "nobody"},
		{Type: "set", Property: "/recipient", Value: "null"}, {Type: "set", Property: "/envelope", Value: "a@b\r\nDATA"},
		{Type: "set", Property: "/ips", Value: `["here"]`},
		{Type: "set", Property: "/tags", Value: "text"}, {Type: "set", Property: "/tags/name", Value: "x"},
		{Type: "set", Property: "/pool/x", Value: "y"}, {Type: "set", Property: "/dsn/notify", Value: `["MAYBE"]`},
		{Type: "set", Property: "/headers/update", Value: "5"}, {Type: "addip", Value: "10.0.0"}, {Type: "setip"},
		{Type: "removeip", Value: "fe80::1%eth0"},
		{Type: "setpool"}, {Type: "addtag"}, {Type: "removetag", Value: " "}, {Type: "fail", Value: "250 fine"},
		{Type: "fail", Value: "550 4.1.1 no"},
		{Type: "delay", Value: "0"}, {Type: "delay", Value: "-1"}, {Type: "delay"},
		{Type: "delay", Value: "99999999999999999999"}, {Type: "smarthost"}, {Type: "smarthost", Value: "a:b:c"},
		{Type: "smarthost", Value: "h:0"}, {Type: "setresult", Property: "/fatal", Value: "perhaps"},
		{Type: "setresult", Property: "/class", Value: "full"}, {Type: "setresult", Property: "/class", Value: "null"},
		{Type: "setresult", Property: "/code", Value: "20"}, {Type: "setresult", Property: "/status", Value: "5"},
	} {
		require.Error(t, responseProblem(a), a)
	}
}

// TestMessageStore has conditions on a mail that is not at hand.
func TestMessageStore(t *testing.T) {
	m := &queue.Message{Recipient: "a@b.example", Key: "k"}
	ok, err := rules.TryCondition(rules.Condition{Property: "subject", Type: "regex", Value: "."}, m)
	require.NoError(t, err)
	require.False(t, ok)
	ok, err = rules.TryCondition(rules.Condition{Property: "subject", Type: "exact"}, m)
	require.NoError(t, err)
	require.True(t, ok)
}

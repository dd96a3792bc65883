package steering

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestRewriteRules changes mail on its way out: its header, where it leaves from, whether it leaves at all.
func TestRewriteRules(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	leaveFrom(t, db, "127.0.0.41", "127.0.0.42")
	rule := func(id int64, domain string, conditions []store.RewriteCondition, actions ...store.RewriteAction) {
		mtatest.Insert(t, db, store.RewriteTrigger{ID: id, Name: "rule " + strconv.FormatInt(id, 10), Domain: domain,
			Priority: id, Enabled: true})
		for _, c := range conditions {
			c.Trigger = id
			mtatest.Insert(t, db, c)
		}
		for _, a := range actions {
			a.Trigger = id
			mtatest.Insert(t, db, a)
		}
	}
	subject := []store.RewriteCondition{{Property: "subject", Type: store.Wildcard, Value: "*offer*"}}
	rule(1, "*.class.test", subject, store.RewriteAction{Type: "set", Property: "/headers/update/Subject",
		Value: "[bulk]"},
		store.RewriteAction{Type: "setip", Value: "127.0.0.42"})
	rule(2, "bad.test", nil, store.RewriteAction{Type: "fail", Value: "554 5.7.1 not from here"})
	rule(3, "half.test", nil, store.RewriteAction{Type: "fail", Value: "554"}, store.RewriteAction{Type: "nonsense"})
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, k.Settings().With(set).With(logging).With(mtatest.Settings{"smtp-default-ips": "127.0.0.41"}))
	d.Submit(t, "a@client.test", "x@a.class.test", "From: a@client.test\r\nSubject: An offer for you\r\n\r\nText")
	m := k.Await(t, 1)[0]
	require.Contains(t, string(m.Data), "Subject: [bulk]\r\n")
	require.Equal(t, "127.0.0.42", m.Remote.Addr().String())
	d.Submit(t, "a@client.test", "x@b.class.test", mtatest.Letters)
	require.Equal(t, "127.0.0.41", k.Await(t, 2)[1].Remote.Addr().String(), "another subject")
	d.Submit(t, "a@client.test", "x@bad.test", mtatest.Letters)
	got := mtatest.AwaitAttempts(t, log, "x@bad.test", 1)[0].Last()
	require.Equal(t, "554 5.7.1 not from here",
		strings.Join([]string{strconv.Itoa(got.Code), got.Status, got.Description}, " "))
	d.Submit(t, "a@client.test", "x@half.test", mtatest.Letters)
	require.Equal(t, []string{"x@half.test"}, k.Await(t, 3)[2].Recipients, "half a rule is none")
	require.Contains(t, d.Log.String(), "rewrite_actions")
}

// TestResponsePatterns has a failure tried again, and a reply that asks for another attempt taken for a failure.
func TestResponsePatterns(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	rule := func(id int64, pattern string, action store.ResponseAction) {
		mtatest.Insert(t, db, store.ResponsePattern{ID: id, Pattern: pattern, Type: store.Contains, Enabled: true})
		action.ID = 10 + id
		mtatest.Insert(t, db, action)
		mtatest.Insert(t, db, store.ResponseLink{Pattern: id, Action: action.ID})
	}
	rule(1, "quota of today", store.ResponseAction{Type: "retry", Value: "1"})
	rule(2, "go away", store.ResponseAction{Type: "fail", Value: "550 5.7.1 told to go away"})
	reply := func(who string, share float64, code int, text string) smtptest.Rule {
		return smtptest.Rule{Stage: smtptest.Rcpt, Pattern: who + "@*", Share: share,
			Action: smtptest.Action{Act: smtptest.Reply, Code: code, Text: text}}
	}
	k := mtatest.NewKeeper(t, &smtptest.Sink{Rules: []smtptest.Rule{
		reply("again", 0.5, 550, "5.2.2 The quota of today is used up"), reply("never", 0, 450, "4.7.1 Please go away"),
		reply("plain", 0, 550, "5.1.1 No such user"),
	}})
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, k.Settings().With(set).With(logging).With(mtatest.Settings{"retry-interval": "3600",
		"rabbitmq-failure": "failure"}))
	for range 4 { // of which half are refused first
		d.Submit(t, "a@client.test", "again@one.test", mtatest.Letters)
	}
	d.Submit(t, "a@client.test", "never@one.test", mtatest.Letters)
	d.Submit(t, "a@client.test", "plain@one.test", mtatest.Letters)
	k.Await(t, 4)
	mtatest.AwaitAttempts(t, log, "never@one.test", 1)
	mtatest.AwaitAttempts(t, log, "plain@one.test", 1)
	d.Terminate(t)
	q := mtatest.OpenQueue(t, d.Queue)
	require.Equal(t, map[string]int{"failure": 2}, mtatest.Occupied(t, q))
}

// TestWays follows the settings' addresses of hosts and routes, the latter before those of the file, at once.
func TestWays(t *testing.T) {
	t.Parallel()
	n := mtatest.NewNetwork(t)
	one, two := n.Sink(t, 1, &smtptest.Sink{}), n.Sink(t, 2, &smtptest.Sink{})
	server := testserver.DNS(t, testserver.Zone(t, "target.test. MX 10 mx.target.test.\nmx.target.test. A "+n.Host(9)))
	set, db := mtatest.SQLite(t)
	override := &store.DNSRecord{Hostname: "MX.target.test.", IP: n.Host(1), Enabled: true}
	require.NoError(t, store.Insert(t.Context(), db, override))
	routes := writeFile(t, "file.test:"+n.Host(1)+"\nboth.test:"+n.Host(1)+"\n")
	route := &store.Route{Domain: "both.test", Relay: n.Host(2), Enabled: true}
	require.NoError(t, store.Insert(t.Context(), db, route))
	mtatest.Insert(t, db, store.Route{ID: 66, Domain: "x.test", Relay: "no such//host", Enabled: true})
	d := mtatest.Inside(t, set.With(mtatest.Settings{"dns-servers": server, "smtp-routes": routes,
		"connection-maxidle": "0"}))
	require.Contains(t, d.Log.String(), "routes, id 66")

	d.Submit(t, "a@client.test", "x@target.test", mtatest.Letters)
	require.Equal(t, "x@target.test", one.Await(t, 1)[0].Recipients[0])
	override.IP = n.Host(2)
	require.NoError(t, store.Update(t.Context(), db, override))
	d.Reload(t)
	d.Submit(t, "a@client.test", "again@target.test", mtatest.Letters)
	require.Equal(t, "again@target.test", two.Await(t, 1)[0].Recipients[0])
	d.Submit(t, "a@client.test", "x@both.test", mtatest.Letters)
	mtatest.Eventually(t, "the settings come first",
		func() bool { return strings.Contains(strings.Join(two.Recipients(), " "), "x@both.test") })
	d.Submit(t, "a@client.test", "x@file.test", mtatest.Letters)
	mtatest.Eventually(t, "the file is used as well",
		func() bool { return strings.Contains(strings.Join(one.Recipients(), " "), "x@file.test") })
	require.NoError(t, store.Delete[store.Route](t.Context(), db, route.ID))
	d.Reload(t)
	d.Submit(t, "a@client.test", "later@both.test", mtatest.Letters)
	mtatest.Eventually(t, "now it is the file's",
		func() bool { return strings.Contains(strings.Join(one.Recipients(), " "), "later@both.test") })
}

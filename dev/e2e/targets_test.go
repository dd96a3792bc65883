package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// misdeed is what a target does at one stage, and what must be said of the first attempt.
type misdeed struct {
	stage  smtptest.Stage
	action string // in the words of smtptest.ParseAction
	want   string // state/result code; "" when nothing is said for minutes
	final  bool   // the mail fails for good
}

// misdeeds tries everything at every stage.
var misdeeds = []misdeed{
	{smtptest.Connect, "554 5.3.2 No service", "intro/error 554", false},
	{smtptest.Connect, "421 4.3.2 Busy", "intro/error 421", false},
	{smtptest.Connect, `450 no\nway to greet`, "intro/error 450", false},
	{smtptest.Connect, "close", "intro/lost 0", false},
	{smtptest.Connect, "garbage", "intro/invalid 0", false},
	{smtptest.Connect, "hang", "", false},
	{smtptest.Helo, "550 5.7.1 Not you", "helo/error 550", false},
	{smtptest.Helo, "450 4.3.2 Not now", "ehlo/error 450", false},
	{smtptest.Helo, "421 4.3.2 Busy", "ehlo/error 421", false},
	{smtptest.Helo, "close", "ehlo/lost 0", false},
	{smtptest.Helo, "garbage", "ehlo/invalid 0", false},
	{smtptest.Helo, "hang", "", false},
	{smtptest.Mail, "550 5.1.8 No\\nand again\\nno", "mailfrom/error 550", true},
	{smtptest.Mail, "451 4.7.1 Later", "mailfrom/error 451", false},
	{smtptest.Mail, "421 4.3.2 Busy", "mailfrom/error 421", false},
	{smtptest.Mail, "close", "mailfrom/lost 0", false},
	{smtptest.Mail, "garbage", "mailfrom/invalid 0", false},
	{smtptest.Mail, "hang", "", false},
	{smtptest.Rcpt, "550 5.1.1 Nobody", "rcptto/error 550", true},
	{smtptest.Rcpt, "450 4.2.1 Busy\\nvery busy", "rcptto/error 450", false},
	{smtptest.Rcpt, "421 4.3.2 Busy", "rcptto/error 421", false},
	{smtptest.Rcpt, "close", "rcptto/lost 0", false},
	{smtptest.Rcpt, "garbage", "rcptto/invalid 0", false},
	{smtptest.Rcpt, "hang", "", false},
	{smtptest.Data, "554 5.5.1 No mail", "data/error 554", true},
	{smtptest.Data, "451 4.3.0 Not now", "data/error 451", false},
	{smtptest.Data, "421 4.3.2 Busy", "data/error 421", false},
	{smtptest.Data, "close", "data/lost 0", false},
	{smtptest.Data, "garbage", "data/invalid 0", false},
	{smtptest.Data, "hang", "", false},
	{smtptest.Dot, "554 5.7.1 Spam", "message/error 554", true},
	{smtptest.Dot, "451 4.3.0 Disk trouble", "message/error 451", false},
	{smtptest.Dot, "421 4.3.2 Busy", "message/error 421", false},
	{smtptest.Dot, "close", "message/lost 0", false},
	{smtptest.Dot, "garbage", "message/invalid 0", false},
	{smtptest.Dot, "hang", "", false},
}

// TestMisbehavingTargets has one target for each misdeed at each stage, all at the same time. What becomes of each mail
// is what its result says, and the mail to a target that behaves arrives meanwhile.
func TestMisbehavingTargets(t *testing.T) {
	t.Parallel()
	routes := routeFile{}
	good := mtatest.NewSink(t, &smtptest.Sink{})
	routes.add("good.test", good.Port)
	var domains []string
	for i, m := range misdeeds {
		action, err := smtptest.ParseAction(m.stage, m.action)
		require.NoError(t, err)
		k := mtatest.NewSink(t, &smtptest.Sink{
			Rules: []smtptest.Rule{{Stage: m.stage, Action: action}},
			// In one flight, replies to what came before would be lost with the connection.
			NoPipelining: action.Act == smtptest.Drop,
		})
		domains = append(domains, fmt.Sprintf("t%d.test", i))
		routes.add(domains[i], k.Port)
	}
	domains = append(domains, "closed.test")
	routes["closed.test"] = "127.0.0.1:" + mtatest.FreePort(t)
	log, logging := mtatest.SendLog(t)
	d := mtatest.Start(t, logging.With(mtatest.Settings{"smtp-routes": routes.write(t, ""),
		"rabbitmq-failure": "failure"}))
	for _, domain := range domains {
		d.Submit(t, "a@client.test", "x@"+domain, "Subject: try\r\n\r\nText")
	}
	d.Send(t, &smtptest.Source{Messages: 50, Size: 1 << 10, Domains: []string{"good.test"}})
	good.OnceEach(t, 50)

	failures := 0
	for i, m := range misdeeds {
		if m.final {
			failures++
		}
		if m.want == "" {
			require.Empty(t, mtatest.AttemptsOf(t, log, "x@"+domains[i]), "%s %s", m.stage, m.action)
			continue
		}
		first := mtatest.AwaitAttempts(t, log, "x@"+domains[i], 1)[0].Last()
		assert.Equal(t, m.want, fmt.Sprint(first.Pair(), " ", first.Code), "%s %s: %s", m.stage, m.action, first.Description)
		if m.final {
			require.NotEmpty(t, first.Status)
		}
	}
	refused := mtatest.AwaitAttempts(t, log, "x@closed.test", 1)[0].Last()
	require.Equal(t, "connect", refused.State, refused.Description)

	d.Kill() // some targets would keep it waiting for long
	q := mtatest.OpenQueue(t, d.Queue)
	require.Equal(t, failures, mtatest.Waiting(t, q)["failure"], "failed for good")
	again := 0
	for _, domain := range domains {
		again += mtatest.WaitingFor(t, q, domain)
	}
	require.Equal(t, len(domains)-failures, again, "to be tried again")
}

// routeFile is a file for smtp-routes: relays by domain.
type routeFile map[string]string

func (r routeFile) add(domain string, port int) { r[domain] = fmt.Sprintf("127.0.0.1:%d", port) }

// write writes the file, a fresh one when no name is given, and returns its name.
func (r routeFile) write(t testing.TB, file string) string {
	t.Helper()
	if file == "" {
		file = filepath.Join(t.TempDir(), "routes")
	}
	var b strings.Builder
	for domain, relay := range r {
		fmt.Fprintf(&b, "%s:%s\n", domain, relay)
	}
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))
	return file
}

// TestSlowDomain queues far more mail for a target that hangs than is held in memory. Mail for another domain that
// comes later arrives while all of it still waits.
func TestSlowDomain(t *testing.T) {
	t.Parallel()
	many := int64(25_000)
	if testing.Short() || mtatest.RaceDetector {
		many = 3000
	}
	slow := mtatest.NewSink(t,
		&smtptest.Sink{Rules: []smtptest.Rule{{Stage: smtptest.Rcpt, Action: smtptest.Action{Act: smtptest.Hang}}}})
	quick := mtatest.NewSink(t, &smtptest.Sink{})
	routes := routeFile{}
	routes.add("slow.test", slow.Port)
	routes.add("quick.test", quick.Port)
	d := mtatest.Start(t, mtatest.Settings{"smtp-routes": routes.write(t, "")})
	d.Send(t, &smtptest.Source{Messages: many, Size: 1 << 10, Sessions: 20, Domains: []string{"slow.test"}})
	d.Send(t, &smtptest.Source{Messages: 500, Size: 1 << 10, Domains: []string{"quick.test"}})
	quick.OnceEach(t, 500)
	require.Zero(t, slow.Stats().Arrived)
	d.Kill()
	require.Equal(t, int(many), mtatest.WaitingFor(t, mtatest.OpenQueue(t, d.Queue), "slow.test"))
}

package outage

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// node is the broker that does not answer, doomed the one that never comes back.
var node, doomed rabbittest.Node

func TestMain(m *testing.M) {
	node.Warm()
	mtatest.Main(m, node.End, doomed.End)
}

// operator is somebody with a browser and a token.
type operator struct {
	*mtatest.Daemon
	t     *testing.T
	base  string
	token string
	http  *http.Client
}

// slow is how long an answer may take at most, on a machine with much else to do.
const slow = 25 * time.Second

// ask sends a request and returns the answer, which must come in time.
func (o *operator) ask(method, path, body string) (int, string) {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), method, o.base+path, strings.NewReader(body))
	require.NoError(o.t, err)
	if strings.HasPrefix(path, "/v1/") {
		r.Header.Set("Authorization", "Bearer "+o.token)
	}
	switch {
	case strings.HasPrefix(body, "{"):
		r.Header.Set("Content-Type", "application/json")
	case body != "":
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	began := time.Now()
	answer, err := o.http.Do(r)
	require.NoError(o.t, err, path)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	require.NoError(o.t, err, path)
	require.Less(o.t, time.Since(began), slow, "%s %s", method, path)
	return answer.StatusCode, string(data)
}

// newOperator starts mtad and logs in to its console.
func newOperator(t *testing.T, address string) *operator {
	set, db := mtatest.SQLite(t)
	token, hash := store.NewToken()
	mtatest.Insert(t, db, store.Token{Name: "operator", Hash: hash, Enabled: true})
	k := mtatest.NewSink(t, &smtptest.Sink{})
	www := mtatest.FreePort(t)
	d := mtatest.Inside(t, mtatest.Queues(address).With(k.Settings()).With(set).With(mtatest.Settings{"www-port": www,
		"www-ip":       "127.0.0.1",
		"www-password": "secret", "rabbitmq-inbox": "inbox"}))
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	o := &operator{Daemon: d, t: t, base: "http://127.0.0.1:" + www, token: token, http: &http.Client{Jar: jar}}
	o.ask("POST", "/login", "username=admin&password=secret")
	return o
}

// TestBrokerIsDead kills the broker for good and asks whatever an operator asks then.
func TestBrokerIsDead(t *testing.T) {
	t.Parallel()
	o := newOperator(t, doomed.VHost(t))
	d := o.Daemon
	for range 7 {
		require.Equal(t, 250, d.One(t))
	}
	mtatest.Eventually(t, "the queues are shown", func() bool {
		_, page := o.ask("GET", "/queues", "")
		return strings.Contains(page, `inbox</a>`) && strings.Contains(page, `<td class="n">7</td>`)
	})
	status, _ := o.ask("GET", "/readyz", "")
	require.Equal(t, 200, status)

	doomed.Server(t).Kill()
	mtatest.Eventually(t, "it is noticed", func() bool { status, _ := o.ask("GET", "/readyz", ""); return status == 503 })
	status, _ = o.ask("GET", "/healthz", "")
	require.Equal(t, 200, status, "the process is well")
	mtatest.Eventually(t, "a first try to reach it again fails", func() bool {
		_, body := o.ask("GET", "/v1/queues", "")
		return strings.Contains(body, "no broker answers")
	})
	for _, r := range []struct{ method, path, body string }{
		{"GET", "/v1/queues", ""}, {"GET", "/v1/messages", ""}, {"GET", "/v1/messages?queue=inbox", ""},
		{"GET", "/v1/messages/nobody", ""},
		{"POST", "/v1/messages/move", `{"queue":"inbox","to":"aside"}`}, {"POST", "/v1/messages/drop", `{"queue":"inbox"}`},
		{"POST", "/v1/messages/retry", `{"queue":"inbox"}`},
		{"POST", "/v1/inject", `{"recipient":"a@sink.test","mime":"Subject: x\n\nx\n"}`},
	} {
		status, body := o.ask(r.method, r.path, r.body)
		require.Equal(t, 503, status, "%s %s: %s", r.method, r.path, body)
		require.Contains(t, body, "no broker answers", r.path)
		require.NotContains(t, body, "guest:guest")
	}
	for _, path := range []string{"/v1/services", "/v1/stats", "/v1/pauses", "/metrics"} {
		status, body := o.ask("GET", path, "")
		require.Equal(t, 200, status, "%s: %s", path, body)
	}
	mtatest.Eventually(t, "the page says so", func() bool {
		_, page := o.ask("GET", "/queues", "")
		return strings.Contains(page, "no broker answers") && strings.Contains(page, "(since 20") &&
			!strings.Contains(page, `<td class="n">7</td>`)
	})
	for _, path := range []string{"/", "/messages", "/services", "/cluster"} {
		status, _ := o.ask("GET", path, "")
		require.Contains(t, []int{200, 503}, status, path)
	}
	for _, args := range [][]string{{"queues"}, {"messages"}, {"message", "nobody"}} {
		began := time.Now()
		c := exec.CommandContext(t.Context(), mtatest.Program(), append([]string{"ctl", "--config-file", d.File}, args...)...)
		c.Env = []string{"SLUICE_TOKEN=" + o.token, "HOME=" + t.TempDir()}
		out, err := c.CombinedOutput()
		require.Error(t, err, "%s", out)
		require.Contains(t, string(out), "no broker answers", "%v", args)
		require.Less(t, time.Since(began), slow)
	}
	require.Equal(t, 451, d.One(t))
	d.Terminate(t) // within its half minute
}

// TestBrokerThatDoesNotAnswer has a broker hear nothing any more: what asks it ends all the same.
func TestBrokerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	p := rabbittest.NewProxy(t, node.Server(t).Address)
	o := newOperator(t, p.Through(node.VHost(t)))
	require.Equal(t, 250, o.One(t))
	p.SetDeaf(true)
	status, body := o.ask("GET", "/v1/queues", "")
	require.Equal(t, 503, status, body)
	require.Contains(t, body, "unavailable")
	o.Terminate(t) // within its half minute
}

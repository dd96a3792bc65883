package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

func TestMain(m *testing.M) { mtatest.Main(m) }

// world is a running mtad with a console, and a token for it that mtad ctl made while it ran.
type world struct {
	*mtatest.Daemon
	t     *testing.T
	url   string
	token string
}

func newWorld(t *testing.T, set mtatest.Settings) *world {
	port := strconv.Itoa(testserver.FreePort(t))
	w := &world{t: t, url: "http://127.0.0.1:" + port}
	w.Daemon = mtatest.Inside(t, mtatest.Settings{"www-ip": "127.0.0.1", "www-port": port,
		"www-password": "secret"}.With(set))
	out, _, code := w.ctl("token", "add", "tests")
	require.Zero(t, code)
	w.token = strings.TrimSpace(out)
	require.Len(t, w.token, 26, "only the token is printed")
	return w
}

// ctl runs mtad ctl.
func (w *world) ctl(args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), mtatest.Program(),
		append([]string{"ctl", "--config-file", w.File}, args...)...)
	cmd.Env = []string{"SLUICE_TOKEN=" + w.token, "HOME=" + w.t.TempDir()}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		require.IsType(w.t, (*exec.ExitError)(nil), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// mustCtl is ctl that has to succeed.
func (w *world) mustCtl(args ...string) string {
	w.t.Helper()
	out, errs, code := w.ctl(args...)
	require.Zero(w.t, code, "%v: %s", args, errs)
	return out
}

// send sends a request as curl would, and returns status and body.
func (w *world) send(method, path, body string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl -d
	if strings.HasPrefix(body, "[") || strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(w.t, err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)
	return answer.StatusCode, string(data)
}

// must is send that has to succeed; the answer goes into v unless that is nil.
func (w *world) must(method, path, body string, v any) {
	w.t.Helper()
	status, data := w.send(method, path, body)
	require.Less(w.t, status, 300, "%s %s %s: %s", method, path, body, data)
	if v != nil {
		require.NoError(w.t, json.Unmarshal([]byte(data), v), data)
	}
}

// message is a message for /v1/inject.
func message(id, recipient string) string {
	return fmt.Sprintf(`{"message-id":%q,"envelope":"me@example.com","recipient":%q,"mime":"From: me@example.com\r\nSubject: %s\r\n\r\nhello\r\n","tags":["e2e"]}`, id, recipient, id)
}

// TestInject has messages injected and finds them at the sink; and those on the suppression list not.
func TestInject(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewKeeper(t, &smtptest.Sink{})
	file, log := mtatest.SendLog(t)
	w := newWorld(t, sink.Settings().With(log))
	w.must("POST", "/v1/suppressions", "value=gone@a.test&type=address&code=550&description=moved", nil)
	w.must("POST", "/v1/suppressions", `{"value":"Closed.test","type":"domain","code":"551"}`, nil)

	var answer struct{ IDs []string }
	w.must("POST", "/v1/inject", "["+message("one", "one@a.test")+","+message("two", "gone@a.test")+","+
		message("three", "any@closed.test")+"]", &answer)
	require.Equal(t, []string{"one", "two", "three"}, answer.IDs)
	require.Contains(t, string(sink.Await(t, 1)[0].Data), "Subject: one")
	two := mtatest.AwaitAttempts(t, file, "gone@a.test", 1)[0].Last()
	require.Equal(t, "suppression/error", two.Pair())
	require.Equal(t, "suppression/error", mtatest.AwaitAttempts(t, file, "any@closed.test", 1)[0].Last().Pair())

	w.must("DELETE", "/v1/suppressions", "value=gone@a.test", nil)
	w.must("POST", "/v1/inject", message("four", "gone@a.test"), nil)
	sink.Await(t, 2)
	line := strings.Join(mtatest.Lines(t, file), "\n")
	require.Contains(t, line, `"http":{"authentication":"tests","remote-ip":"127.0.0.1"`)

	var found struct {
		Entries []struct{ Recipient, Outcome string }
	}
	w.must("GET", "/v1/logs?address=gone@&outcome=failed&code=550", "", &found)
	require.Len(t, found.Entries, 1)
	require.Equal(t, "gone@a.test", found.Entries[0].Recipient)

	status, body := w.send("POST", "/v1/inject",
		"["+message("five", "five@a.test")+`,{"recipient":"six@a.test","priority":"high"}]`)
	require.Equal(t, 400, status)
	require.Contains(t, body, "message 2, priority")
	require.Len(t, sink.Received(), 2, "all or none")
}

// TestWhy finds out in one call why a message has not left, and has it tried now.
func TestWhy(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewKeeper(t, &smtptest.Sink{})
	w := newWorld(t, sink.Settings())
	w.must("POST", "/v1/inject", message("busy", "452+x@sink.test"), nil)
	var one struct {
		Entry struct{ State, Recipient string }
		Why   struct {
			Where, Reason string
			Attempts      int
			Next          time.Time
			LastAnswer    string `json:"last-answer"`
		}
		Message map[string]any
	}
	mtatest.Eventually(t, "the message was tried", func() bool {
		status, body := w.send("GET", "/v1/messages/busy", "")
		if status != 200 {
			return false
		}
		require.NoError(t, json.Unmarshal([]byte(body), &one), body)
		return one.Why.Where == "deferred"
	})
	require.Contains(t, one.Why.LastAnswer, "452")
	require.Equal(t, 1, one.Why.Attempts)
	require.False(t, one.Why.Next.IsZero())
	require.NotContains(t, one.Message, "mime")

	out := w.mustCtl("message", "busy")
	require.Contains(t, out, "deferred")
	require.Contains(t, out, "452")
	require.Contains(t, w.mustCtl("messages", "--domain", "sink.test"), "452+x@sink.test")
	require.Equal(t, "none\n", w.mustCtl("messages", "--domain", "other.test"))
	require.Contains(t, w.mustCtl("retry", "--domain", "sink.test", "--dry-run"), "1 message would be concerned")
	require.Contains(t, w.mustCtl("retry", "--domain", "sink.test"), "1 message to be tried now")
	mtatest.Eventually(t, "it was tried again", func() bool {
		status, body := w.send("GET", "/v1/messages/busy", "")
		return status == 200 && json.Unmarshal([]byte(body), &one) == nil && one.Why.Attempts == 2 &&
			one.Why.Where == "deferred"
	})
	require.Contains(t, w.mustCtl("drop", "--tag", "e2e"), "1 message removed")
	_, errs, code := w.ctl("message", "busy")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no message with this id")
}

// TestExplain changes a throttle over REST: it holds at once, and is explained.
func TestExplain(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewKeeper(t, &smtptest.Sink{})
	w := newWorld(t, sink.Settings())
	var throttle struct{ ID int64 }
	w.must("POST", "/v1/capacity", "name=snail&maxmessages=1", &throttle)
	w.must("POST", "/v1/capacity_rules", fmt.Sprintf("capacity=%d&domain=slow.test", throttle.ID), nil)
	var paths []struct {
		Site   string
		Limits []struct {
			Limit, Rule string
			Value       int64
		}
		Binding []struct{ Limit, Rule string }
	}
	w.must("GET", "/v1/explain?domain=slow.test", "", &paths)
	require.NotEmpty(t, paths)
	found := false
	for _, l := range paths[0].Limits {
		if l.Limit == "maxmessages" {
			found = true
			require.EqualValues(t, 1, l.Value)
			require.Equal(t, "snail", l.Rule)
		}
	}
	require.True(t, found)
	for i := range 3 {
		w.must("POST", "/v1/inject", message(fmt.Sprint("m", i), fmt.Sprintf("u%d@slow.test", i)), nil)
	}
	sink.Await(t, 1)
	mtatest.Eventually(t, "it is told what holds the others", func() bool {
		w.must("GET", "/v1/explain?domain=slow.test", "", &paths)
		for _, p := range paths {
			for _, b := range p.Binding {
				if b.Limit == "maxmessages" && b.Rule == "snail" {
					return true
				}
			}
		}
		return false
	})
	out := w.mustCtl("explain", "slow.test")
	require.Contains(t, out, "HELD by maxmessages (snail)")
	w.must("POST", fmt.Sprintf("/v1/capacity/%d", throttle.ID), "maxmessages=0", nil)
	sink.Await(t, 3)
}

// TestLearned tells how many mails a server takes over one connection, once that is known.
func TestLearned(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewKeeper(t, &smtptest.Sink{MaxMessages: 1, Farewell: smtptest.CloseAtOnce})
	w := newWorld(t, sink.Settings())
	const n = 30
	for i := range n {
		w.must("POST", "/v1/inject", message(fmt.Sprint("m", i), fmt.Sprintf("u%d@curt.test", i)), nil)
	}
	sink.Await(t, n)
	var paths []struct {
		Limits []struct {
			Limit, Rule string
			Value       int64
		}
	}
	mtatest.Eventually(t, "it is told", func() bool {
		w.must("GET", "/v1/explain?domain=curt.test", "", &paths)
		for _, l := range paths[0].Limits {
			if l.Limit == "connection_maxmessages" && l.Rule == "learned" {
				return l.Value == 1
			}
		}
		return false
	})
}

// TestPauses holds mail back and lets it go.
func TestPauses(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewKeeper(t, &smtptest.Sink{})
	w := newWorld(t, sink.Settings())
	w.must("POST", "/v1/pauses", "domain=held.test", nil)
	w.must("POST", "/v1/inject", message("held", "a@held.test"), nil)
	w.must("POST", "/v1/inject", message("free", "a@free.test"), nil)
	require.Contains(t, string(sink.Await(t, 1)[0].Data), "Subject: free")
	mtatest.Eventually(t, "the message is parked", func() bool {
		_, body := w.send("GET", "/v1/messages/held", "")
		return strings.Contains(body, `"state":"parked"`)
	})
	_, body := w.send("GET", "/v1/messages/held", "")
	require.Contains(t, body, `"cause":"pause"`, "one call tells why it has not left")
	require.Contains(t, body, `"rule":"pause 1"`)
	require.Len(t, sink.Received(), 1)
	require.Contains(t, w.mustCtl("pauses"), "held.test")
	require.Contains(t, w.mustCtl("resume", "--domain", "held.test"), "1 pause ended")
	require.Len(t, sink.Await(t, 2), 2)
}

// TestControl is what an operator sees of mtad ctl: its tables, and what it says when something is wrong.
func TestControl(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mtatest.Settings{})
	require.Contains(t, w.mustCtl("token", "list"), "tests")
	require.Contains(t, w.mustCtl("services"), "settings database")
	require.Contains(t, w.mustCtl("stats"), "delivered")
	require.Contains(t, w.mustCtl("queues"), "outbox")
	require.JSONEq(t, `[]`, w.mustCtl("floods", "--json"))
	w.mustCtl("add", "pools", "name=bulk", "description=all of it")
	w.mustCtl("add", "poolips", "name=bulk", "ip=127.0.0.1")
	require.Contains(t, w.mustCtl("list", "poolips", "name=bulk"), "127.0.0.1")

	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{65, "code: expected an integer from 400 to 599", []string{"add", "errors", "domain=a.test"}},
		{64, "column=value", []string{"add", "errors", "code"}},
		{64, "unexpected argument nonsense", []string{"nonsense"}},
		{66, "no such file", []string{"inject", "/nonexistent"}},
		{1, "there is a token named", []string{"token", "add", "tests"}},
		{1, "there is no token named", []string{"token", "delete", "nobody"}},
		{69, "does not answer", []string{"--url", "http://127.0.0.1:1", "queues"}},
		{77, "not valid", []string{"--token", "wrong", "queues"}},
	} {
		_, errs, code := w.ctl(c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, errs)
		require.Contains(t, errs, c.says, "%v", c.args)
	}
	w.Terminate(t)
	_, errs, code := w.ctl("queues")
	require.Equal(t, 69, code)
	require.Contains(t, errs, "does not answer")
	require.Contains(t, w.mustCtl("token", "list"), "tests", "tokens do not need the server")
	w.mustCtl("token", "delete", "tests")
	require.Equal(t, "none\n", w.mustCtl("token", "list"))
}

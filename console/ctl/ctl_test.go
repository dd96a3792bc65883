package ctl_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/ctl"
)

// request is what a server was sent.
type request struct{ line, body, token string }

// server answers every request alike, and keeps the last.
func server(t *testing.T, status int, body string) (url string, last *request) {
	last = new(request)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		*last = request{r.Method + " " + r.URL.RequestURI(), string(data), r.Header.Get("Authorization")}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL, last
}

// run runs a command line with a token in the environment.
func run(c *ctl.Command, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	c.Environ = append(c.Environ, "SLUICE_TOKEN=secret")
	code = c.Run(context.Background(), args)
	return out.String(), errs.String(), code
}

// TestCommands checks what each command line asks for, and what people see of the answer.
func TestCommands(t *testing.T) {
	for _, c := range []struct {
		args   string
		answer string
		line   string
		body   string
		shows  []string
	}{
		{"queues", `[{"queue":"outbox","ready":1234567,"bytes":5368709120}]`, "GET /v1/queues", "",
			[]string{"QUEUE", "outbox", "1,234,567", "5.0 GiB"}},
		{"logs --domain a.test --outcome failed --code 5 --from 1767225600",
			`{"entries":[{"time":"2026-01-01T00:00:00Z","kind":"attempt","outcome":"failed","recipient":"x\u001b[31m@a.test","code":550,"record":{"deep":"inside"}}],"next":"c1"}`,
			"GET /v1/logs?code=5&domain=a.test&from=1767225600&limit=100&outcome=failed", "",
			[]string{"OUTCOME", "failed", "550", "--cursor c1"}},
		{"logs", `{"entries":[]}`, "GET /v1/logs?limit=100", "", []string{"none"}},
		{"messages --domain a.test --older-than 2h",
			`{"messages":[{"id":"1","tags":["a","b"],"stored":"2020-01-01T00:00:00Z"}],"next":"c1"}`,
			"GET /v1/messages?domain=a.test&limit=50&older-than=2h", "",
			[]string{"a b", "2020-01-01 00:00:00 (", "--cursor c1"}},
		{"message a/b", `{"entry":{"id":"a/b"},"why":{"where":"parked","reason":"because"},"message":{}}`,
			"GET /v1/messages/a%2Fb", "",
			[]string{"parked", "because"}},
		{"drop --tag x --dry-run", `{"messages":12345,"dry-run":true}`, "POST /v1/messages/drop",
			`{"tag":"x","dry-run":true}`, []string{"12,345 messages would be concerned; nothing was done"}},
		{"move --all --to q", `{"messages":1}`, "POST /v1/messages/move", `{"all":true,"to":"q"}`,
			[]string{"1 message moved to q"}},
		{"drop --tag x", `{"messages":3}`, "POST /v1/messages/drop", `{"tag":"x"}`, []string{"3 messages removed"}},
		{"retry --state delayed", `{"messages":0}`, "POST /v1/messages/retry", `{"state":"delayed"}`,
			[]string{"0 messages to be tried now"}},
		{"pause --domain a.test --cluster", `{"domain":"a.test","cluster":true}`, "POST /v1/pauses",
			`{"domain":"a.test","cluster":true}`, []string{"a.test", "yes"}},
		{"pause --all", `{"cluster":false}`, "POST /v1/pauses", `{}`, []string{"all mail is held"}},
		{"resume --tag x", `{"deleted":1}`, "DELETE /v1/pauses", `{"tag":"x"}`, []string{"1 pause ended"}},
		{"resume --flood --domain a.test", `{"deleted":2}`, "DELETE /v1/floods", `{"site":"a.test"}`,
			[]string{"2 floods ended"}},
		{"suppress a@b.test", `{"value":"a@b.test"}`, "POST /v1/suppressions",
			`{"value":"a@b.test","type":"address","code":550}`, []string{"a@b.test"}},
		{"list paused tag=x", `[]`, "GET /v1/pauses?tag=x", "", []string{"none"}},
		{"list locals --search exa", `[{"id":1,"version":"00","zzz":1,"address":"a"}]`, "GET /v1/locals?search=exa", "",
			[]string{"ID  ADDRESS  ZZZ"}},
		{"add errors code=550 tag=x", `{"code":550,"tag":"x"}`, "POST /v1/errors", `{"code":"550","tag":"x"}`,
			[]string{"550"}},
		{"set capacity 3 maxmessages=6", `{"id":3}`, "POST /v1/capacity/3", `{"maxmessages":"6"}`, []string{"3"}},
		{"delete capacity 3", `{"deleted":1}`, "DELETE /v1/capacity/3", "", []string{"1 row deleted"}},
		{"delete pools name=x", `{"deleted":1}`, "DELETE /v1/pools", `{"name":"x"}`, []string{"1 row deleted"}},
		{"stats --tag x", `{"sum":{"delivered":120},"now":{"active":3}}`, "GET /v1/stats?tag=x", "",
			[]string{"delivered", "120", "2"}},
		{"stats --by domains", `[{"name":"a.test","sum":{"delivered":1},"now":{}},{"other":true,"sum":{},"now":{}}]`,
			"GET /v1/stats/domains", "", []string{"a.test", "(others)"}},
		{"explain a.test",
			`[{"site":"a.test","limits":[{"limit":"maxmessages","value":60,"rule":"slow"}],"binding":[{"limit":"maxmessages","rule":"slow"}],"floods":[{"name":"f","phase":"paused","until":"2020-01-01T00:00:00Z"}]}]`,
			"GET /v1/explain?domain=a.test", "", []string{"(any address) to a.test", "HELD by maxmessages (slow)", "FLOOD f",
				"60"}},
		{"probe --requiretls jo@a.test", `[{"step":"tls","host":"mx.a.test","good":false,"text":"\u001b[2J"},
			{"step":"verdict","good":true,"text":"Mail goes."}]`, "POST /v1/probe", `{"address":"jo@a.test","requiretls":true}`,
			[]string{"NO", "mx.a.test", "ok", "Mail goes."}},
		{"preflight --envelope b@a.test --source 192.0.2.7 --transactional testdata/mail.eml",
			`{"findings":[{"id":"odd-date","severity":"warning","asked":[{"receiver":"Yahoo","url":"https://y.test"}],"found":"Date is \u001b[2J","remedy":"set the clock"}],"source":"192.0.2.7"}`,
			"POST /v1/preflight",
			`{"base64":"U3ViamVjdDogSGVsbG8KCkhlbGxvLgo=","envelope":"b@a.test","source":"192.0.2.7","transactional":true}`,
			[]string{"warning odd-date: Date is", "do: set the clock", "asked by Yahoo: https://y.test"}},
		{"floods", "[{\"name\":\"\\u001b[2J\"}]", "GET /v1/floods", "", []string{"NAME"}},
		{"log-level", `{"level":"info"}`, "GET /v1/log-level", "", []string{"info"}},
		{"log-level debug", `{"level":"debug"}`, "POST /v1/log-level", `{"level":"debug"}`, []string{"debug"}},
		{"webhook",
			`{"target":"https://h.test","up":false,"waiting":1200,"checkpoint":7,"first":1,"next":1207,"last-error":"it answered \u001b[2J"}`,
			"GET /v1/webhook", "", []string{"https://h.test is DOWN", "1,200", "1 to 1206", "it answered"}},
		{"webhook dead --limit 5",
			`[{"number":7,"reason":"no","result":{"id":"a/1","message":{"envelope":"<\u001b[2J\u202e>"}}}]`,
			"GET /v1/webhook/dead?from=0&limit=5", "",
			[]string{"NUMBER", "no", `{"id":"a/1","message":{"envelope":"<\u001b[2J?>"}}`}},
		{"webhook replay --from DEAD", `{"count":1200}`, "POST /v1/webhook/replay", `{"from":"DEAD"}`,
			[]string{"1,200 results are posted again"}},
		{"webhook replay", `{"count":0}`, "POST /v1/webhook/replay", `{}`, []string{"0 results"}},
		{"dkim rotate 7 --selector new",
			`{"id":8,"domain":"a.test","selector":"new","algorithm":"rsa","name":"new._domainkey.a.test","parts":["v=DKIM1; p=","A\u001b"],"said":"The DNS has no record.","weakness":"it is short","others":["old"]}`,
			"POST /v1/dkim/7/successor", `{"selector":"new"}`, []string{`new._domainkey.a.test. IN TXT ( "v=DKIM1; p=" "A`,
				"has no record", "it can take over from old", "soon: it is short"}},
		{"dkim make a.test s1 --algorithm ed25519", `{"id":1,"name":"s1._domainkey.a.test"}`, "POST /v1/dkim",
			`{"algorithm":"ed25519","domain":"a.test","selector":"s1"}`, []string{"1: s1._domainkey.a.test"}},
		{"dkim show 7", `{"id":7,"retired":"2026-11-30 12:00:00","withdraw":"2026-12-07 12:00:00"}`, "GET /v1/dkim/7", "",
			[]string{"no more since 2026-11-30 12:00:00 UTC"}},
		{"dkim use 8", `{}`, "POST /v1/dkim/8/use", `{}`, []string{"it has taken over"}},
		{"dkim withdraw 7", `{}`, "POST /v1/dkim/7/withdraw", `{}`, []string{"it is deleted"}},
		{"services --json", `[{"name":"x"}]`, "GET /v1/services", "", []string{`[{"name":"x"}]`}},
	} {
		url, last := server(t, 200, c.answer)
		out, errs, code := run(&ctl.Command{Environ: []string{"SLUICE_URL=" + url}}, strings.Fields(c.args)...)
		require.Zero(t, code, "%s: %s", c.args, errs)
		require.Equal(t, c.line, last.line, c.args)
		require.Equal(t, "Bearer secret", last.token)
		if c.body == "" {
			require.Empty(t, last.body, c.args)
		} else {
			require.JSONEq(t, c.body, last.body, c.args)
		}
		for _, s := range c.shows {
			require.Contains(t, out, s, c.args)
		}
		require.NotContains(t, out, "\x1b", "what others wrote does not reach the terminal as it is")
	}
}

// TestExitCodes tells scripts what went wrong.
func TestExitCodes(t *testing.T) {
	for status, want := range map[int]int{400: 65, 413: 65, 401: 77, 429: 77, 404: 1, 409: 1, 500: 1, 501: 1, 503: 69,
		302: 1} {
		url, _ := server(t, status, `{"error":"so it is"}`)
		_, errs, code := run(&ctl.Command{}, "--url", url, "queues")
		require.Equal(t, want, code, "status %d", status)
		require.Contains(t, errs, "so it is")
	}
	for args, want := range map[string]string{
		"pause": "--all", "pause --cluster": "--all", "pause --expire 1893456000": "--all", "pause --all --tag x": "not both",
		"queue": "did you mean", "message": "<id>",
	} {
		url, last := server(t, 200, "{}")
		_, errs, code := run(&ctl.Command{}, append([]string{"--url", url}, strings.Fields(args)...)...)
		require.Equal(t, ctl.ExitUsage, code, args)
		require.Contains(t, errs, want, args)
		require.Empty(t, last.line, "nothing was sent")
	}
	_, errs, code := run(&ctl.Command{}, "queues")
	require.Equal(t, ctl.ExitUsage, code, errs)
	_, _, code = run(&ctl.Command{Server: func(string) (ctl.Server, error) { return ctl.Server{}, fmt.Errorf("no port") }},
		"queues")
	require.Equal(t, ctl.ExitConfig, code)
	out, _, code := run(&ctl.Command{}, "--help")
	require.Zero(t, code)
	require.Contains(t, out, "suppress")
	for _, says := range []string{"--token-file=FILE", "File that holds the token.", "--token=TOKEN",
		"SLUICE_TOKEN=TOKEN"} {
		require.Contains(t, out, says)
	}
	c := &ctl.Command{Stdout: io.Discard, Environ: []string{}}
	require.Equal(t, ctl.ExitNoPerm, c.Run(t.Context(), []string{"--url", "http://127.0.0.1:1", "queues"}), "no token")
}

// TestCertificate believes the configured certificate and no other.
func TestCertificate(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "[]") }))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "own.pem")
	own := fmt.Sprintf("-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n",
		base64.StdEncoding.EncodeToString(s.Certificate().Raw))
	require.NoError(t, os.WriteFile(file, []byte(own), 0o600))
	c := &ctl.Command{Server: func(string) (ctl.Server, error) { return ctl.Server{URL: s.URL, Certificate: file}, nil }}
	_, errs, code := run(c, "floods")
	require.Zero(t, code, errs)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(own, "A", "B", 1)), 0o600))
	_, _, code = run(c, "floods")
	require.Equal(t, ctl.ExitUnavailable, code)
}

// TestTokens are made in the database itself.
func TestTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.db")
	c := &ctl.Command{OpenSettings: func(ctx context.Context, _ string) (*settings.DB, error) {
		return settings.OpenSQLite(ctx, path, settings.Options{})
	}}
	out, errs, code := run(c, "token", "add", "ci")
	require.Zero(t, code, errs)
	token := strings.TrimSpace(out)
	require.Len(t, token, 26, "only the token is printed")
	require.Contains(t, errs, path, "and the database named")
	require.NotContains(t, errs, token)
	db, err := settings.OpenSQLite(t.Context(), path, settings.Options{})
	require.NoError(t, err)
	defer db.Close()
	rows, _, err := settings.List[settings.Token](t.Context(), db)
	require.NoError(t, err)
	require.True(t, rows[0].Matches(token))
	out, _, _ = run(c, "token", "list")
	require.Contains(t, out, "ci")
	require.NotContains(t, out, token)
	_, errs, code = run(c, "token", "add", "ci")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "already")
	_, errs, code = run(c, "token", "add", "two\nlines")
	require.Equal(t, 1, code, errs)
	_, errs, code = run(c, "token", "delete", "ci")
	require.Zero(t, code)
	require.Contains(t, errs, path)
	_, errs, code = run(c, "token", "delete", "ci")
	require.Equal(t, 1, code)
	require.Contains(t, errs, path)
}

// TestAccept drops the settings of the last run when the database is empty, and only then.
func TestAccept(t *testing.T) {
	dir := t.TempDir()
	path, cache := filepath.Join(dir, "settings.db"), filepath.Join(dir, "settings.cache")
	c := &ctl.Command{OpenSettings: func(ctx context.Context, _ string) (*settings.DB, error) {
		return settings.OpenSQLite(ctx, path, settings.Options{})
	}, SettingsCache: func(string) (string, error) { return cache, nil }}
	_, errs, code := run(c, "settings", "accept")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no settings of an earlier run")

	require.NoError(t, settings.SaveCache(cache,
		&settings.Rows{Routes: []settings.Route{{ID: 1}, {ID: 2}}, Tokens: []settings.Token{{ID: 1}}}))
	out, errs, code := run(c, "settings", "accept")
	require.Zero(t, code, errs)
	require.Contains(t, out, "rows of the last run that were dropped: 2")
	require.NoFileExists(t, cache)

	require.NoError(t, os.WriteFile(cache, []byte("damaged"), 0o600))
	_, errs, code = run(c, "settings", "accept")
	require.Zero(t, code, errs)
	require.NoFileExists(t, cache)

	require.NoError(t, settings.SaveCache(cache, &settings.Rows{Routes: []settings.Route{{ID: 1}}}))
	db, err := settings.OpenSQLite(t.Context(), path, settings.Options{})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, settings.Insert(t.Context(), db, &settings.Route{Domain: "a.test"}))
	_, errs, code = run(c, "settings", "accept")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "has rows")
	require.FileExists(t, cache)
}

// A command line is sent to a server, and the answer printed.
func ExampleCommand_Run() {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `[{"domain":"example.com","expire":"2030-01-01 00:00:00"}]`)
	}))
	defer s.Close()
	c := &ctl.Command{Stdout: os.Stdout, Environ: []string{"SLUICE_URL=" + s.URL, "SLUICE_TOKEN=secret"}}
	fmt.Println(c.Run(context.Background(), []string{"pauses", "--json"}))
	// Output:
	// [{"domain":"example.com","expire":"2030-01-01 00:00:00"}]
	// 0
}

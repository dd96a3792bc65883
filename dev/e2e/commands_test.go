package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// operator types commands at a shell of the machine that a server runs on.
type operator struct {
	t       *testing.T
	file    string // of the configuration
	environ []string
}

// says runs mtad and returns what it prints, and its complaint; it must end with the exit code.
func (o *operator) says(code int, args ...string) (out, complaint string) {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), mtatest.Program(), append([]string{"--config-file", o.file}, args...)...)
	var said, complained bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = o.environ, &said, &complained
	_ = cmd.Run() // the code is looked at
	require.Equal(o.t, code, cmd.ProcessState.ExitCode(), "%s: %s%s", args, said.String(), complained.String())
	return said.String(), complained.String()
}

// rotate moves a log away as logrotate does, and compresses it.
func rotate(t *testing.T, log, to string) {
	t.Helper()
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.NotEmpty(t, text)
	require.NoError(t, os.Rename(log, log+".moved"))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(log+to+".gz", packed.Bytes(), 0o600))
	require.NoError(t, os.Remove(log+".moved"))
}

// TestCommands finds mails with the commands of an operator: one that waits in the queue, and, in logs that were
// rotated and compressed meanwhile, what became of each.
func TestCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	send, received := filepath.Join(dir, "send.json"), filepath.Join(dir, "received.json")
	k := mtatest.NewKeeper(t, &smtptest.Sink{Rules: []smtptest.Rule{
		{Stage: smtptest.Rcpt, Pattern: "later@*",
			Action: smtptest.Action{Act: smtptest.Reply, Code: 451, Text: "4.7.1 come back"}},
		{Stage: smtptest.Rcpt, Pattern: "nobody@*",
			Action: smtptest.Action{Act: smtptest.Reply, Code: 550, Text: "5.1.1 no such user"}}}})
	d := mtatest.Start(t, k.Settings().With(mtatest.Settings{
		"send-bin-log-file": send, "received-bin-log-file": received, "retry-interval": "86400",
		"www-ip": "127.0.0.1", "www-port": strconv.Itoa(testserver.FreePort(t))}))
	o := &operator{t: t, file: d.File, environ: []string{"HOME=" + t.TempDir()}}
	token, _ := o.says(0, "ctl", "token", "add", "operator")
	o.environ = append(o.environ, "SLUICE_TOKEN="+strings.TrimSpace(token))

	d.Submit(t, "ann@client.test", "first@sink.test", "x-mq-tag: spring\r\nSubject: one\r\n\r\nText")
	d.Submit(t, "ann@client.test", "nobody@sink.test", "Subject: two\r\n\r\nText")
	mtatest.AwaitAttempts(t, send, "first@sink.test", 1)
	mtatest.AwaitAttempts(t, send, "nobody@sink.test", 1)
	mtatest.Eventually(t, "both are received", func() bool { return len(mtatest.Lines(t, received)) == 2 })
	rotate(t, send, ".2")
	rotate(t, received, ".1")
	d.Submit(t, "ann@client.test", "later@sink.test", "Subject: three\r\n\r\nText")
	mtatest.AwaitAttempts(t, send, "later@sink.test", 1)
	require.NoError(t, os.Rename(send, send+".1"))
	d.Submit(t, "bob@client.test", "last@sink.test", "Subject: four\r\n\r\nText")
	mtatest.AwaitAttempts(t, send, "last@sink.test", 1)
	mtatest.Eventually(t, "both others are received", func() bool { return len(mtatest.Lines(t, received)) == 2 })

	out, complaint := o.says(0, "log", "--last", "1 hour")
	require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 8, out)
	require.Contains(t, complaint, "do not reach that far back")
	for args, want := range map[string][]string{
		"success": {"delivered <ann@client.test> -> <first@sink.test>",
			"delivered <bob@client.test> -> <last@sink.test>"},
		"failures":                       {"failed    <ann@client.test> -> <nobody@sink.test>"},
		"deferrals --rcpt LATER":         {"451 4.7.1 come back"},
		"received --sender bob":          {"received  <bob@client.test> -> <last@sink.test> by smtp from 127.0.0.1"},
		"success --tag spring --remote":  {"first@sink.test"},
		"top-senders --limit 1":          {"ann@client.test"},
		"top-failures":                   {"sink.test 550 5.1.1"},
		"domain-stats":                   {"4         4          2         1       1  sink.test"},
		"--source smtp --code 5 --limit": {"nobody@sink.test"},
	} {
		if strings.HasSuffix(args, "--limit") {
			args += " 7"
		}
		out, _ := o.says(0, append([]string{"log"}, strings.Fields(args)...)...)
		for _, text := range want {
			require.Contains(t, out, text, args)
		}
		if strings.Contains(args, "stats") || strings.Contains(args, "top") {
			want = append(want, "the head of the table")
		}
		require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), len(want), "%s:\n%s", args, out)
	}

	out, _ = o.says(0, "log", "--json", "--domain", "sink.test", "deferrals")
	var entry struct{ Recipient, Outcome, ID string }
	require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(out, "message-id", "id")), &entry), out)
	require.Equal(t, "later@sink.test", entry.Recipient)
	out, _ = o.says(0, "log", entry.ID)
	require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 2, "it came, and was tried:\n%s", out)

	out, _ = o.says(0, "queue", "messages", "--domain", "sink.test")
	require.Contains(t, out, "later@sink.test")
	out, _ = o.says(0, "queue", "show", entry.ID)
	require.Contains(t, out, "451")
	out, _ = o.says(0, "--json", "queue")
	require.True(t, json.Valid([]byte(out)), out)
	out, _ = o.says(0, "queue", "drop", "--id", entry.ID)
	require.Contains(t, out, "1 message removed")

	_, complaint = o.says(64, "log", "faliures")
	require.Contains(t, complaint, "did you mean failures?")
	_, complaint = o.says(64, "queue", "mesages")
	require.Contains(t, complaint, `did you mean "messages"?`)
	require.NoError(t, os.Truncate(send+".2.gz", 60))
	_, complaint = o.says(66, "log")
	require.Contains(t, complaint, "send.json.2.gz: it is broken after")
	d.Terminate(t)
	out, _ = o.says(66, "log", "--sender", "bob", "success") // for the file that is still broken
	require.Contains(t, out, "last@sink.test", "without a server")
}

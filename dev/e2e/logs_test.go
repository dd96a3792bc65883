package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestLogFiles writes every log there is: a line for each attempt and for each mail taken, as text and as JSON, without
// the mail itself. A log that was moved away is written anew.
func TestLogFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	k := mtatest.NewKeeper(t, &smtptest.Sink{Rules: []smtptest.Rule{
		{Stage: smtptest.Rcpt, Pattern: "twice@*", Action: smtptest.Action{Act: smtptest.Greylist, For: 1}}}})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{
		"send-log-file":     file("send.log"),
		"send-log-format":   "{$result.state}:{$result.result} {$attempt} <{$email.recipient}> {$result.code}",
		"send-bin-log-file": file("send.json"), "received-log-file": file("received.log"),
		"received-bin-log-file": file("received.json"),
		"retry-interval":        "1",
	}))
	d.Submit(t, "a@client.test", "once@sink.test", "Subject: private\r\n\r\nconfidential")
	d.Submit(t, "a@client.test", "twice@sink.test", "Subject: private\r\n\r\nconfidential")
	k.Await(t, 2)
	mtatest.AwaitAttempts(t, file("send.json"), "twice@sink.test", 2)
	mtatest.Eventually(t, "three lines of text", func() bool { return len(mtatest.Lines(t, file("send.log"))) == 3 })
	require.ElementsMatch(t, []string{
		"message:accepted 1 <once@sink.test> 250", "rcptto:error 1 <twice@sink.test> 451",
		"message:accepted 2 <twice@sink.test> 250",
	}, mtatest.Lines(t, file("send.log")))
	require.Len(t, mtatest.Attempts(t, file("send.json")), 3, "one object for each attempt")
	require.Len(t, mtatest.Lines(t, file("received.log")), 2)
	for _, line := range mtatest.Lines(t, file("received.json")) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		require.Equal(t, "a@client.test", m["envelope"])
		require.NotEmpty(t, m["message-id"])
		require.NotContains(t, m, "mime")
		require.Equal(t, "127.0.0.1", m["connection"].(map[string]any)["remote-ip"])
	}
	for _, name := range []string{"send.log", "send.json", "received.log", "received.json"} {
		text, err := os.ReadFile(file(name))
		require.NoError(t, err)
		require.NotContains(t, string(text), "confidential", name)
		require.NoError(t, os.Rename(file(name), file(name+".1")))
	}

	d.Submit(t, "a@client.test", "later@sink.test", "Subject: later\r\n\r\nText")
	mtatest.AwaitAttempts(t, file("send.json"), "later@sink.test", 1)
	mtatest.Eventually(t, "every log is written anew", func() bool {
		return len(mtatest.Lines(t, file("send.log"))) == 1 && len(mtatest.Lines(t, file("received.log"))) == 1 &&
			len(mtatest.Lines(t, file("received.json"))) == 1
	})
	require.Len(t, mtatest.Lines(t, file("send.log.1")), 3)
	d.Terminate(t)
}

// TestApplicationLogIsRotated moves the program's own log away, and removes it: it is written anew each time.
func TestApplicationLogIsRotated(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mtad.log")
	d := mtatest.Start(t, mtatest.Settings{"application-log": "stderr, " + file})
	written := func(text string) { // a moment later than to stderr, which tells the test that it has come so far
		t.Helper()
		mtatest.Eventually(t, text, func() bool {
			all, _ := os.ReadFile(file)
			return strings.Contains(string(all), text)
		})
	}
	written("msg=listening")
	require.NoError(t, os.Rename(file, file+".1"))
	d.Reload(t)
	written("configuration read again")
	require.NotContains(t, strings.Join(mtatest.Lines(t, file), "\n"), "msg=listening")
	require.NoError(t, os.Remove(file))
	d.Terminate(t)
	written("msg=stopped")
	require.NotContains(t, strings.Join(mtatest.Lines(t, file+".1"), "\n"), "msg=stopped")
}

// TestLogThatCannotBeWritten logs to a pipe that nobody reads. Mail flows nevertheless.
func TestLogThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	k := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"send-log-file": "/dev/full",
		"received-bin-log-file": "/dev/full"}))
	d.Send(t, &smtptest.Source{Messages: 500, Size: 1 << 10})
	k.OnceEach(t, 500)
	d.Terminate(t)
}

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// sendmailHere makes mtad known as sendmail, and returns the environment of programs that call it.
func sendmailHere(t *testing.T, spool string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sendmail")
	require.NoError(t, os.Symlink(mtatest.Program(), path))
	return []string{"SENDMAIL=" + path, "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "MTAD_SPOOL_DIRECTORY=" + spool,
		"MTAD_SMTP_HOSTNAME=here.test", "MTAD_DEFAULT_DOMAIN=sink.test", "LC_ALL=C.UTF-8", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@sink.test",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@sink.test"}
}

// shell runs a script that must succeed.
func shell(t *testing.T, environ []string, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Env = environ
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, out)
}

const patch = `From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: Ann <ann@sink.test>
Date: Mon, 30 Nov 2026 12:00:00 +0000
Subject: [PATCH] git

---
 text
--
2.39
`

// TestPrograms has programs of all kinds send mail through sendmail.
func TestPrograms(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	spool, _, set := spoolSettings(t)
	d := mtatest.Inside(t, k.Settings().With(set))
	environ := sendmailHere(t, spool)
	file := filepath.Join(t.TempDir(), "0001.patch")
	require.NoError(t, os.WriteFile(file, []byte(patch), 0o600))
	want := map[string]string{}
	for name, script := range map[string]string{
		"php": `php -n -d sendmail_path="$SENDMAIL -t -i" -r 'exit(mail("php@sink.test", "php", "one\n.\ntwo", "From: ann@sink.test") ? 0 : 1);'`,
		"mutt": `echo text | mutt -n -F /dev/null -e "set sendmail='$SENDMAIL -oem -oi' from=ann@sink.test use_from=yes copy=no" ` +
			`-s mutt -- mutt@sink.test`,
		"mailx":  `echo text | s-nail -: / -S v15-compat -S mta=$SENDMAIL -S from=ann@sink.test -s mailx mailx@sink.test`,
		"git":    `git send-email --quiet --confirm=never --smtp-server="$SENDMAIL" --from=ann@sink.test --to=git@sink.test --suppress-cc=all ` + file,
		"cron":   `printf 'From: root (Cron Daemon)\nTo: cron\nSubject: cron\n\noutput\n.\n' | "$SENDMAIL" -i -FCronDaemon -B8BITMIME -oem cron`,
		"smtp":   `printf 'EHLO x\r\nMAIL FROM:<ann@sink.test>\r\nRCPT TO:<smtp@sink.test>\r\nDATA\r\nMIME-Version: 1.0\r\nMessage-ID: <1@here.test>\r\nSubject: smtp\r\n\r\nx\r\n.\r\nQUIT\r\n' | "$SENDMAIL" -bs`,
		"direct": `printf 'Subject: direct\n\nx\n' | "$SENDMAIL" -f ann@sink.test direct@sink.test`,
	} {
		want[name+"@sink.test"] = "Subject: " + name + "\r\n"
		if name == "git" {
			want[name+"@sink.test"] = "Subject: [PATCH] git\r\n"
		}
		shell(t, environ, script)
	}
	for _, m := range k.Await(t, len(want)) {
		require.Len(t, m.Recipients, 1)
		to := m.Recipients[0]
		require.Contains(t, string(m.Data), want[to], to)
		require.Contains(t, strings.ToLower(string(m.Data)), "\r\nmessage-id: <", to)
		require.Equal(t, 1, strings.Count(string(m.Data), "Received: "), to)
		delete(want, to)
	}
	require.Empty(t, want)
	d.Terminate(t)
}

// TestSendmailWithoutServer hands mail in while no server runs: it leaves when one does.
func TestSendmailWithoutServer(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	spool, _, set := spoolSettings(t)
	received := filepath.Join(t.TempDir(), "received.json")
	set = k.Settings().With(set).With(mtatest.Settings{"received-bin-log-file": received})
	d := mtatest.Inside(t, set)
	d.Terminate(t)
	environ := sendmailHere(t, spool)
	shell(t, environ, `printf 'From: ann@sink.test\nTo: bo@sink.test\nBcc: cy@sink.test\n\nx\n' | "$SENDMAIL" -t`)
	shell(t, environ, `test $("$SENDMAIL" -bp | wc -l) = 2`)
	require.Empty(t, k.Received())
	d = mtatest.Inside(t, set)
	k.Await(t, 2)
	require.ElementsMatch(t, []string{"bo@sink.test", "cy@sink.test"}, k.Recipients())
	d.Terminate(t)
	for _, line := range mtatest.Lines(t, received) {
		require.Contains(t, line, `"arguments":["-t"]`)
	}
}

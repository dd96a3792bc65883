package e2e

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestSubmissionPort demands TLS and a login there, and asks for no range.
func TestSubmissionPort(t *testing.T) {
	t.Parallel()
	d := start(t, kept.with(loginSettings(t, "hardcoded://joe:geheim")).with(settings{
		"smtp-range": "127.0.0.2", "submission-port": freePort(t)}))
	address := "127.0.0.1:" + d.settings["submission-port"]
	connect(t, "127.0.0.1", d.addr).refused(554, "5.7.1")
	c := connect(t, "127.0.0.1", address)
	require.False(t, offers(c.greeted(), "AUTH"), "before TLS")
	require.Contains(t, c.command("MAIL FROM:<a@client.test>", 530), "5.7.0")
	require.NotEqual(t, "2", c.anyReply(plain("joe", "geheim"))[:1])
	require.True(t, offers(c.starttls(), "AUTH"))
	require.Contains(t, c.command("MAIL FROM:<a@client.test>", 530), "5.7.0")
	c.login("joe", "geheim", 235)
	c.command("MAIL FROM:<a@client.test>", 250)
	c.command("RCPT TO:<b@sink.test>", 250)
	c.text(letters, 250)
	c.command("QUIT", 221)
	require.Equal(t, map[string]int{"inbox": 1}, occupied(t, d.stopped(t)))
}

// TestLoginNotRequired lets the range relay without a login, which stays possible.
func TestLoginNotRequired(t *testing.T) {
	t.Parallel()
	d := start(t, kept.with(loginSettings(t, "hardcoded://joe:geheim")).with(settings{"smtp-auth-required": "false"}))
	d.submit(t, "a@client.test", "b@sink.test", letters)
	c := d.talk(t)
	require.True(t, offers(c.command("EHLO client.test", 250), "AUTH"))
	c.login("joe", "wrong", 535)
	c.login("joe", "geheim", 235)
}

// TestGuessing refuses a client, and a user name, after many wrong passwords, the right one too; others may log in.
func TestGuessing(t *testing.T) {
	t.Parallel()
	d := start(t, kept.with(settings{"smtp-auth": "hardcoded://joe:geheim,ann:sesam"}))
	c := connect(t, "127.0.0.5", d.addr)
	c.greeted()
	answers := map[int]int{}
	for range 15 {
		c.say(plain("joe", "guess"))
		code, _ := c.reply()
		answers[code]++
	}
	require.Len(t, answers, 2, "%v", answers)
	require.Positive(t, answers[535])
	require.Positive(t, answers[454])
	require.Contains(t, c.login("joe", "geheim", 454), "4.7.0")
	c.login("ann", "sesam", 454)

	other := connect(t, "127.0.0.6", d.addr)
	other.greeted()
	other.login("joe", "geheim", 454)
	other.login("ann", "sesam", 235)
}

// TestHangingBackEnd has clients wait for a login program that does not end; mail that needs no login passes by.
func TestHangingBackEnd(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db, store.Local{Address: "*@here.test", Type: store.Wildcard, Enabled: true})
	d := start(t, kept.with(set).with(settings{"smtp-auth": "exec://" + script(t, "exec sleep 60") + "?timeout=20s"}))
	waiting := make([]*client, 40) // more than programs run at a time
	for i := range waiting {
		waiting[i] = connect(t, fmt.Sprint("127.0.2.", i+1), d.addr)
		waiting[i].greeted()
		waiting[i].say(plain(fmt.Sprint("user", i), "geheim"))
	}
	begun := time.Now()
	for range 20 {
		d.submit(t, "a@client.test", "b@here.test", letters)
	}
	require.Less(t, time.Since(begun), 10*time.Second)
	for _, c := range waiting {
		require.NoError(t, c.conn.SetReadDeadline(time.Now()))
		_, _, err := c.read()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "still waiting")
		c.conn.Close()
	}
	d.terminate(t)
}

// TestLoginProgramComplains has what a login program says stand in the application log, wherever that is.
func TestLoginProgramComplains(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "mtad.log")
	set := settings{"smtp-auth": "exec://" + script(t, "echo the database is locked >&2; exit 1"), "application-log": log + ",stderr"}
	c := start(t, kept.with(set)).talk(t)
	c.command("EHLO client.test", 250)
	c.login("joe", "geheim", 535)
	eventually(t, "it is logged", func() bool {
		return strings.Contains(strings.Join(lines(t, log), "\n"), "the database is locked")
	})
}

// TestPasswordsStaySecret logs in by several back ends, rightly, wrongly and in vain, and looks for the passwords in all that
// mtad says, writes and shows.
func TestPasswordsStaySecret(t *testing.T) {
	t.Parallel()
	const secret, url = "pass-that-leaks", "secret-in-url"
	dir := t.TempDir()
	started, gate := filepath.Join(dir, "started"), filepath.Join(dir, "gate")
	for _, back := range []string{
		"hardcoded://joe:" + secret, "ldap://127.0.0.1:" + freePort(t) + "/dc=test", "http://127.0.0.1:" + freePort(t) + "/" + url,
		"radius://mx:" + url + "@127.0.0.1:" + freePort(t) + "?timeout=1s",
		"exec://" + script(t, "read -r user; read -r password; echo \"no $password for $user\" >&2; if [ -p "+gate+" ]; then : >"+started+"; read -r word <"+gate+"; fi; exit 1"),
	} {
		log := filepath.Join(t.TempDir(), "received")
		d := start(t, kept.with(loginSettings(t, back)).with(settings{"received-bin-log-file": log}))
		c := d.talk(t)
		c.command("EHLO client.test", 250)
		require.NotContains(t, c.anyReply(plain("joe", secret+"x")), secret)
		program := strings.HasPrefix(back, "exec")
		if program {
			require.NoError(t, syscall.Mkfifo(gate, 0o600))
		}
		c.say("AUTH LOGIN", "am9l", base64Text(secret))
		if program {
			eventually(t, "the program runs", func() bool { _, err := os.Stat(started); return err == nil })
		}
		requireNotShown(t, secret)
		if program {
			require.NoError(t, os.WriteFile(gate, []byte("go on\n"), 0o600))
		}
		c.expect(334)
		c.expect(334)
		_, text := c.reply()
		require.NotContains(t, text, secret)
		c.say("AUTH " + secret)
		c.reply()
		c.say("PASS " + secret)
		c.reply()
		c.command("RSET", 250)
		c.command("MAIL FROM:<a@client.test>", 250)
		c.command("QUIT", 221)
		d.terminate(t)
		all := d.log.String() + d.out.String() + strings.Join(lines(t, log), "\n")
		require.NotContains(t, all, secret, back)
		require.NotContains(t, all, base64Text(secret), back)
		if !strings.HasPrefix(back, "http") {
			require.NotContains(t, all, url, back)
		}
	}
}

// requireNotShown looks for a secret where ps looks.
func requireNotShown(t testing.TB, secret string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			require.NotContains(t, string(text), secret, file)
		}
	}
}

// TestSwaksLogsIn logs in with a client that is not ours, by both mechanisms, with TLS from the start and by STARTTLS.
func TestSwaksLogsIn(t *testing.T) {
	testserver.Need(t, "swaks")
	t.Parallel()
	d := start(t, kept.with(loginSettings(t, "hardcoded://joe:geheim")).with(settings{"submission-port": freePort(t), "smtp-secure-port": freePort(t)}))
	loopback := func(key string) string { return "127.0.0.1:" + d.settings[key] }
	for _, c := range []struct {
		args []string
		exit int // swaks's: 28 is that AUTH failed, 24 that a recipient was refused
	}{
		{[]string{"--server", d.addr, "--auth", "PLAIN", "--auth-user", "joe", "--auth-password", "geheim"}, 0},
		{[]string{"--server", d.addr, "--auth", "LOGIN", "--auth-user", "joe", "--auth-password", "geheim", "--tls"}, 0},
		{[]string{"--server", loopback("submission-port"), "--auth", "LOGIN", "--auth-user", "joe", "--auth-password", "geheim", "--tls"}, 0},
		{[]string{"--server", loopback("smtp-secure-port"), "--auth", "PLAIN", "--auth-user", "joe", "--auth-password", "geheim", "--tls-on-connect"}, 0},
		{[]string{"--server", d.addr, "--auth", "PLAIN", "--auth-user", "joe", "--auth-password", "falsch", "--tls"}, 28},
		{[]string{"--server", d.addr}, 24},
	} {
		args := append([]string{"--from", "a@client.test", "--to", "b@sink.test"}, c.args...)
		cmd := exec.CommandContext(t.Context(), testserver.Find("swaks"), args...)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, c.exit, cmd.ProcessState.ExitCode(), "%v: %s", c.args, out)
	}
	require.Equal(t, map[string]int{"inbox": 4}, occupied(t, d.stopped(t)))
}

// TestConnectionsPerClient bounds the connections of one address; another has its own.
func TestConnectionsPerClient(t *testing.T) {
	t.Parallel()
	d := start(t, kept.with(settings{"smtp-connections-client": "2"}))
	first := connect(t, "127.0.0.5", d.addr)
	first.expect(220)
	connect(t, "127.0.0.5", d.addr).expect(220)
	connect(t, "127.0.0.5", d.addr).refused(421, "4.7.0")
	connect(t, "127.0.0.6", d.addr).expect(220)
	first.command("QUIT", 221)
	eventually(t, "the place is free", func() bool {
		c := connect(t, "127.0.0.5", d.addr)
		defer c.conn.Close()
		code, _ := c.reply()
		return code == 220
	})
}

// TestReserve has 4 connections of which 2 may come in and 3 go out, while a slow target takes all of the 3: one client
// always gets in; and once the target is fast, two.
func TestReserve(t *testing.T) {
	t.Parallel()
	k := newSink(t, &smtptest.Sink{Rules: []smtptest.Rule{{Stage: smtptest.Dot, Action: smtptest.Action{Act: smtptest.Hang}}}})
	d := start(t, k.settings().with(settings{"smtp-connections": "4", "smtp-connections-in": "2", "smtp-connections-out": "3",
		"smtp-connections-client": "2", "smtp-busy": "reject"}))
	c := d.talk(t)
	c.command("EHLO client.test", 250)
	for i := range 12 {
		c.command("MAIL FROM:<a@client.test>", 250)
		c.command("RCPT TO:<"+fmt.Sprint("b@sink", i, ".test")+">", 250)
		c.text(letters, 250)
	}
	eventually(t, "sending takes all it may", func() bool { return k.Stats().Open == 3 })
	require.Contains(t, dialed(t, d.addr, 421), "4.3.2")
	require.EqualValues(t, 3, k.Stats().Open)
	c.command("QUIT", 221)
	for range 5 { // what is kept for clients is there again and again
		var next *client
		eventually(t, "a client gets in", func() bool {
			next = dial(t, d.addr)
			code, _ := next.reply()
			return code == 220
		})
		next.command("QUIT", 221)
	}
	require.EqualValues(t, 3, k.Stats().Open)
}

// dialed connects and returns the first reply, which must be of a code.
func dialed(t testing.TB, address string, code int) string {
	t.Helper()
	return dial(t, address).expect(code)
}

// TestClientsWait has clients beyond the limit wait until there is room, as is usual.
func TestClientsWait(t *testing.T) {
	t.Parallel()
	d := start(t, nowhere.with(settings{"smtp-connections": "4", "smtp-connections-in": "2", "smtp-connections-out": "3", "smtp-connections-client": "2"}))
	first, second := d.talk(t), d.talk(t)
	third := connect(t, "127.0.0.7", d.addr)
	second.command("EHLO client.test", 250)
	require.Zero(t, third.r.Buffered())
	first.command("QUIT", 221)
	third.expect(220)
}

// TestSecurePortNeedsLogin demands the login of those who come with TLS from the start as well.
func TestSecurePortNeedsLogin(t *testing.T) {
	t.Parallel()
	d := start(t, kept.with(loginSettings(t, "hardcoded://joe:geheim")).with(settings{"smtp-secure-port": freePort(t)}))
	conn, err := tls.Dial("tcp", "127.0.0.1:"+d.settings["smtp-secure-port"], &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c := newClient(t, conn)
	require.True(t, offers(c.greeted(), "AUTH"))
	c.command("MAIL FROM:<a@client.test>", 250)
	c.command("RCPT TO:<b@sink.test>", 530)
	c.command("RSET", 250)
	c.login("joe", "geheim", 235)
	c.command("MAIL FROM:<a@client.test>", 250)
	c.command("RCPT TO:<b@sink.test>", 250)
	c.text(letters, 250)
}

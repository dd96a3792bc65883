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
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestSubmissionPort demands TLS and a login there, and asks for no range.
func TestSubmissionPort(t *testing.T) {
	t.Parallel()
	d := mtatest.Inside(t, mtatest.Kept.With(mtatest.LoginSettings(t, "hardcoded://joe:geheim")).With(mtatest.Settings{
		"smtp-range": "127.0.0.2", "submission-port": mtatest.FreePort(t)}))
	address := "127.0.0.1:" + d.Settings["submission-port"]
	mtatest.Connect(t, "127.0.0.1", d.Addr).Refused(554, "5.7.1")
	c := mtatest.Connect(t, "127.0.0.1", address)
	require.False(t, mtatest.Offers(c.Greeted(), "AUTH"), "before TLS")
	require.Contains(t, c.Command("MAIL FROM:<a@client.test>", 530), "5.7.0")
	require.NotEqual(t, "2", anyReply(c, mtatest.Plain("joe", "geheim"))[:1])
	require.True(t, mtatest.Offers(c.StartTLS(), "AUTH"))
	require.Contains(t, c.Command("MAIL FROM:<a@client.test>", 530), "5.7.0")
	c.Login("joe", "geheim", 235)
	c.Command("MAIL FROM:<a@client.test>", 250)
	c.Command("RCPT TO:<b@sink.test>", 250)
	c.Text(mtatest.Letters, 250)
	c.Command("QUIT", 221)
	require.Equal(t, map[string]int{"inbox": 1}, mtatest.Occupied(t, d.Stopped(t)))
}

// TestLoginNotRequired lets the range relay without a login, which stays possible.
func TestLoginNotRequired(t *testing.T) {
	t.Parallel()
	d := mtatest.Inside(t, mtatest.Kept.With(mtatest.LoginSettings(t,
		"hardcoded://joe:geheim")).With(mtatest.Settings{"smtp-auth-required": "false"}))
	d.Submit(t, "a@client.test", "b@sink.test", mtatest.Letters)
	c := d.Talk(t)
	require.True(t, mtatest.Offers(c.Command("EHLO client.test", 250), "AUTH"))
	c.Login("joe", "wrong", 535)
	c.Login("joe", "geheim", 235)
}

// TestGuessing refuses a client after many wrong passwords, the right one too, unless it has logged in lately or is
// exempt. A name that many guess at is slowed, and nobody is locked out.
func TestGuessing(t *testing.T) {
	t.Parallel()
	d := mtatest.Inside(t, mtatest.Kept.With(mtatest.Settings{"smtp-auth": "hardcoded://joe:geheim,ann:sesam",
		"auth-exempt": "127.0.0.9"}))
	login := func(ip, name, password string, code int) {
		t.Helper()
		c := mtatest.Connect(t, ip, d.Addr)
		c.Greeted()
		c.Login(name, password, code)
	}
	login("127.0.0.4", "joe", "geheim", 235)
	for i := range 11 {
		login(fmt.Sprint("127.0.1.", i+1), "joe", "guess", 535)
	}
	login("127.0.0.4", "joe", "geheim", 235)
	login("127.0.0.9", "joe", "geheim", 235)
	login("127.0.0.6", "joe", "geheim", 235) // in its turn

	c := mtatest.Connect(t, "127.0.0.5", d.Addr)
	c.Greeted()
	answers := map[int]int{}
	for range 15 {
		c.Say(mtatest.Plain("zoe", "guess"))
		code, _ := c.Reply()
		answers[code]++
	}
	require.Equal(t, map[int]int{535: 11, 454: 4}, answers)
	require.Contains(t, c.Login("joe", "geheim", 454), "4.7.0")
	c.Login("ann", "sesam", 454)
	login("127.0.0.6", "ann", "sesam", 235)
}

// TestHangingBackEnd has clients wait for a login program that does not end; mail that needs no login passes by.
func TestHangingBackEnd(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.Local{Address: "*@here.test", Type: store.Wildcard, Enabled: true})
	d := mtatest.Inside(t,
		mtatest.Kept.With(set).With(mtatest.Settings{"smtp-auth": "exec://" + script(t, "exec sleep 60") + "?timeout=20s"}))
	waiting := make([]*mtatest.Client, 40) // more than programs run at a time
	for i := range waiting {
		waiting[i] = mtatest.Connect(t, fmt.Sprint("127.0.2.", i+1), d.Addr)
		waiting[i].Greeted()
		waiting[i].Say(mtatest.Plain(fmt.Sprint("user", i), "geheim"))
	}
	begun := time.Now()
	for range 20 {
		d.Submit(t, "a@client.test", "b@here.test", mtatest.Letters)
	}
	require.Less(t, time.Since(begun), 10*time.Second)
	for _, c := range waiting {
		require.NoError(t, c.Conn.SetReadDeadline(time.Now()))
		_, _, err := c.Read()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "still waiting")
		c.Conn.Close()
	}
	d.Terminate(t)
}

// TestLoginProgramComplains has what a login program says stand in the application log, wherever that is.
func TestLoginProgramComplains(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "mtad.log")
	set := mtatest.Settings{"smtp-auth": "exec://" + script(t, "echo the database is locked >&2; exit 1"),
		"application-log": log + ",stderr"}
	c := mtatest.Start(t, mtatest.Kept.With(set)).Talk(t)
	c.Command("EHLO client.test", 250)
	c.Login("joe", "geheim", 535)
	mtatest.Eventually(t, "it is logged", func() bool {
		return strings.Contains(strings.Join(mtatest.Lines(t, log), "\n"), "the database is locked")
	})
}

// TestPasswordsStaySecret logs in by several back ends, rightly, wrongly and in vain, and looks for the passwords in
// all that mtad says, writes and shows.
func TestPasswordsStaySecret(t *testing.T) {
	t.Parallel()
	const secret, url = "pass-that-leaks", "secret-in-url"
	dir := t.TempDir()
	started, gate := filepath.Join(dir, "started"), filepath.Join(dir, "gate")
	for _, back := range []string{
		"hardcoded://joe:" + secret, "ldap://127.0.0.1:" + mtatest.FreePort(t) + "/dc=test",
		"http://127.0.0.1:" + mtatest.FreePort(t) + "/" + url,
		"radius://mx:" + url + "@127.0.0.1:" + mtatest.FreePort(t) + "?timeout=1s",
		"exec://" + script(t, "read -r user; read -r password; echo \"no $password for $user\" >&2; if [ -p "+gate+
			" ]; then : >"+started+"; read -r word <"+gate+"; fi; exit 1"),
	} {
		log := filepath.Join(t.TempDir(), "received")
		d := mtatest.Start(t, mtatest.Kept.With(mtatest.LoginSettings(t,
			back)).With(mtatest.Settings{"received-bin-log-file": log}))
		c := d.Talk(t)
		c.Command("EHLO client.test", 250)
		require.NotContains(t, anyReply(c, mtatest.Plain("joe", secret+"x")), secret)
		program := strings.HasPrefix(back, "exec")
		if program {
			require.NoError(t, syscall.Mkfifo(gate, 0o600))
		}
		c.Say("AUTH LOGIN", "am9l", mtatest.Base64Text(secret))
		if program {
			mtatest.Eventually(t, "the program runs", func() bool { _, err := os.Stat(started); return err == nil })
		}
		requireNotShown(t, secret)
		if program {
			require.NoError(t, os.WriteFile(gate, []byte("go on\n"), 0o600))
		}
		c.Expect(334)
		c.Expect(334)
		_, text := c.Reply()
		require.NotContains(t, text, secret)
		c.Say("AUTH " + secret)
		c.Reply()
		c.Say("PASS " + secret)
		c.Reply()
		c.Command("RSET", 250)
		c.Command("MAIL FROM:<a@client.test>", 250)
		c.Command("QUIT", 221)
		d.Terminate(t)
		all := d.Log.String() + d.Out.String() + strings.Join(mtatest.Lines(t, log), "\n")
		require.NotContains(t, all, secret, back)
		require.NotContains(t, all, mtatest.Base64Text(secret), back)
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
	d := mtatest.Inside(t, mtatest.Kept.With(mtatest.LoginSettings(t,
		"hardcoded://joe:geheim")).With(mtatest.Settings{"submission-port": mtatest.FreePort(t),
		"smtp-secure-port": mtatest.FreePort(t)}))
	loopback := func(key string) string { return "127.0.0.1:" + d.Settings[key] }
	for _, c := range []struct {
		args []string
		exit int // swaks's: 28 is that AUTH failed, 24 that a recipient was refused
	}{
		{[]string{"--server", d.Addr, "--auth", "PLAIN", "--auth-user", "joe", "--auth-password", "geheim"}, 0},
		{[]string{"--server", d.Addr, "--auth", "LOGIN", "--auth-user", "joe", "--auth-password", "geheim", "--tls"}, 0},
		{[]string{"--server", loopback("submission-port"), "--auth", "LOGIN", "--auth-user", "joe", "--auth-password",
			"geheim", "--tls"}, 0},
		{[]string{"--server", loopback("smtp-secure-port"), "--auth", "PLAIN", "--auth-user", "joe", "--auth-password",
			"geheim", "--tls-on-connect"}, 0},
		{[]string{"--server", d.Addr, "--auth", "PLAIN", "--auth-user", "joe", "--auth-password", "falsch", "--tls"}, 28},
		{[]string{"--server", d.Addr}, 24},
	} {
		args := append([]string{"--from", "a@client.test", "--to", "b@sink.test"}, c.args...)
		cmd := exec.CommandContext(t.Context(), testserver.Find("swaks"), args...)
		out, _ := cmd.CombinedOutput()
		require.Equal(t, c.exit, cmd.ProcessState.ExitCode(), "%v: %s", c.args, out)
	}
	require.Equal(t, map[string]int{"inbox": 4}, mtatest.Occupied(t, d.Stopped(t)))
}

// TestConnectionsPerClient bounds the connections of one address; another has its own.
func TestConnectionsPerClient(t *testing.T) {
	t.Parallel()
	d := mtatest.Inside(t, mtatest.Kept.With(mtatest.Settings{"smtp-connections-client": "2", "smtp-busy": "reject"}))
	first := mtatest.Connect(t, "127.0.0.5", d.Addr)
	first.Expect(220)
	mtatest.Connect(t, "127.0.0.5", d.Addr).Expect(220)
	mtatest.Connect(t, "127.0.0.5", d.Addr).Refused(421, "4.7.0")
	mtatest.Connect(t, "127.0.0.6", d.Addr).Expect(220)
	first.Command("QUIT", 221)
	mtatest.Eventually(t, "the place is free", func() bool {
		c := mtatest.Connect(t, "127.0.0.5", d.Addr)
		defer c.Conn.Close()
		code, _ := c.Reply()
		return code == 220
	})
}

// TestOneInjector gets all connections that may come in, unless it is capped, or may not relay. Those that are too many
// wait.
func TestOneInjector(t *testing.T) {
	t.Parallel()
	limits := mtatest.Settings{"smtp-connections": "100", "smtp-connections-in": "50", "smtp-connections-out": "75"}
	for _, c := range []struct {
		name string
		set  mtatest.Settings
		get  int // of the 50
	}{
		{"it may relay", nil, 50},
		{"0", mtatest.Settings{"smtp-connections-client": "0", "smtp-auth": "hardcoded://joe:geheim"}, 50},
		{"capped", mtatest.Settings{"smtp-connections-client": "20"}, 20},
		{"it has to log in", mtatest.Settings{"smtp-auth": "hardcoded://joe:geheim"}, 25},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := mtatest.Inside(t, mtatest.Kept.With(limits).With(c.set))
			greeted := make(chan *mtatest.Client, 50)
			for range 50 {
				client := mtatest.Connect(t, "127.0.0.5", d.Addr)
				require.NoError(t, client.Conn.SetReadDeadline(time.Now().Add(60*time.Second)))
				go func() {
					if code, _, err := client.Read(); err == nil && code == 220 {
						greeted <- client
					}
				}()
			}
			var first *mtatest.Client
			for range c.get {
				first = <-greeted
			}
			if c.get == 50 {
				return
			}
			mtatest.Connect(t, "127.0.0.6", d.Addr).Greeted() // who waits is in nobody's way
			require.Empty(t, greeted)
			if _, logsIn := c.set["smtp-auth"]; logsIn {
				first.Command("EHLO client.test", 250)
				first.Login("joe", "geheim", 235) // which makes it count no more
			} else {
				first.Command("QUIT", 221)
			}
			<-greeted
		})
	}
}

// TestReserve has 4 connections of which 2 may come in and 3 go out, while a slow target takes all of the 3: one client
// always gets in; and once the target is fast, two.
func TestReserve(t *testing.T) {
	t.Parallel()
	k := mtatest.NewSink(t,
		&smtptest.Sink{Rules: []smtptest.Rule{{Stage: smtptest.Dot, Action: smtptest.Action{Act: smtptest.Hang}}}})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"smtp-connections": "4", "smtp-connections-in": "2",
		"smtp-connections-out":    "3",
		"smtp-connections-client": "2", "smtp-busy": "reject"}))
	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	for i := range 12 {
		c.Command("MAIL FROM:<a@client.test>", 250)
		c.Command("RCPT TO:<"+fmt.Sprint("b@sink", i, ".test")+">", 250)
		c.Text(mtatest.Letters, 250)
	}
	mtatest.Eventually(t, "sending takes all it may", func() bool { return k.Stats().Open == 3 })
	require.Contains(t, dialed(t, d.Addr, 421), "4.3.2")
	require.EqualValues(t, 3, k.Stats().Open)
	c.Command("QUIT", 221)
	for range 5 { // what is kept for clients is there again and again
		var next *mtatest.Client
		mtatest.Eventually(t, "a client gets in", func() bool {
			next = mtatest.Dial(t, d.Addr)
			code, _ := next.Reply()
			return code == 220
		})
		next.Command("QUIT", 221)
	}
	require.EqualValues(t, 3, k.Stats().Open)
}

// dialed connects and returns the first reply, which must be of a code.
func dialed(t testing.TB, address string, code int) string {
	t.Helper()
	return mtatest.Dial(t, address).Expect(code)
}

// TestClientsWait has clients beyond the limit wait until there is room, as is usual.
func TestClientsWait(t *testing.T) {
	t.Parallel()
	d := mtatest.Inside(t, mtatest.Nowhere.With(mtatest.Settings{"smtp-connections": "4", "smtp-connections-in": "2",
		"smtp-connections-out": "3", "smtp-connections-client": "2"}))
	first, second := d.Talk(t), d.Talk(t)
	third := mtatest.Connect(t, "127.0.0.7", d.Addr)
	second.Command("EHLO client.test", 250)
	require.Zero(t, third.R.Buffered())
	first.Command("QUIT", 221)
	third.Expect(220)
}

// TestSecurePortNeedsLogin demands the login of those who come with TLS from the start as well.
func TestSecurePortNeedsLogin(t *testing.T) {
	t.Parallel()
	d := mtatest.Inside(t, mtatest.Kept.With(mtatest.LoginSettings(t,
		"hardcoded://joe:geheim")).With(mtatest.Settings{"smtp-secure-port": mtatest.FreePort(t)}))
	conn, err := tls.Dial("tcp", "127.0.0.1:"+d.Settings["smtp-secure-port"], &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c := mtatest.NewClient(t, conn)
	require.True(t, mtatest.Offers(c.Greeted(), "AUTH"))
	c.Command("MAIL FROM:<a@client.test>", 250)
	c.Command("RCPT TO:<b@sink.test>", 530)
	c.Command("RSET", 250)
	c.Login("joe", "geheim", 235)
	c.Command("MAIL FROM:<a@client.test>", 250)
	c.Command("RCPT TO:<b@sink.test>", 250)
	c.Text(mtatest.Letters, 250)
}

// TestLoginChain asks several back ends in order: one that accepts is enough, and "wrong" needs all of them.
func TestLoginChain(t *testing.T) {
	t.Parallel()
	login := func(chain string, want map[string]int) {
		t.Helper()
		d := mtatest.Inside(t, mtatest.Kept.With(mtatest.Settings{"smtp-auth": chain}))
		for who, code := range want {
			name, password, _ := strings.Cut(who, ":")
			c := d.Talk(t)
			c.Command("EHLO client.test", 250)
			c.Login(name, password, code)
		}
	}
	down := "http://127.0.0.1:" + mtatest.FreePort(t) + "/"
	login("hardcoded://joe:geheim\nsmtp-auth: hardcoded://ann:sesam",
		map[string]int{"joe:geheim": 235, "ann:sesam": 235, "joe:sesam": 535, "zoe:x": 535})
	login(down+"\nsmtp-auth: hardcoded://ann:sesam", map[string]int{"ann:sesam": 235, "joe:geheim": 454})
	login("hardcoded://ann:sesam\nsmtp-auth: "+down, map[string]int{"ann:sesam": 235, "ann:wrong": 454})
}

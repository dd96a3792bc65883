package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/stretchr/testify/require"
)

// writeFile writes a file into a fresh directory and returns its name.
func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// TestCheckConfig prints the effective settings, where they come from, and no secret.
func TestCheckConfig(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "mtad.conf",
		"smtp-port: 2526\nsmarthost: relay.test\nsmarthost-username: joe\nsmarthost-password: hunter2\n"+
			"smtp-auth: hardcoded://joe:hunter2\nmax-delivrtime: 7\n")
	p := mtatest.Run(t, []string{"MTAD_SMTP_HOSTNAME=env.test"}, "--config-file", file, "--check-config",
		"--max-attempts=3")
	require.Zero(t, p.Exit(t, mtatest.Patience), p.Log.String())
	text := p.Out.String() + p.Log.String()
	for _, want := range []string{"2526", file, "relay.test", "env.test", "max-delivrtime", "max-delivertime"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "hunter2")
}

// TestWrongConfiguration starts mtad with what makes no sense: it says where and what, and exits with EX_CONFIG.
func TestWrongConfiguration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		args       []string
		want       []string
	}{
		{"a port that is none", "smtp-ip: 127.0.0.1\nsmtp-port: many\n", nil,
			[]string{"mtad.conf", "2", "smtp-port", "many"}},
		{"a boolean that is none", "smtp-extract: perhaps\n", nil, []string{"smtp-extract", "perhaps"}},
		{"a range that is none", "smtp-range: 300.1.1.1/8\n", nil, []string{"smtp-range", "300.1.1.1/8"}},
		{"on the command line", "", []string{"--retry-interval=soon"}, []string{"retry-interval", "soon"}},
		{"a certificate that is not there", "smtp-certificate: /nowhere/cert.pem\nsmtp-key: /nowhere/key.pem\n", nil,
			[]string{"smtp-certificate", "/nowhere/cert.pem"}},
		{"a certificate without a key", "smtp-certificate: /etc/hostname\n", nil, []string{"smtp-key"}},
		{"a virus scanner that is nowhere", "smtp-check: spf,virus\n", nil,
			[]string{"mtad.conf:2: smtp-check", "clamav-address"}},
		{"routes that make no sense", "smtp-routes: /nowhere/routes\n", nil, []string{"smtp-routes", "/nowhere/routes"}},
		{"a route that makes no sense", "smtp-routes: " + writeFile(t, "routes", "good.test:relay:25\nnonsense\n") + "\n",
			nil, []string{"mtad.conf:2: smtp-routes", "routes:2", "nonsense"}},
		{"a template that makes no sense", "send-log-format: {$email.recipient} {nobody}\n", nil,
			[]string{"mtad.conf:2: send-log-format", "{nobody}", "column 20"}},
		{"a user that does not exist", "user: nobody-at-all\n", nil, []string{"mtad.conf:2: user", "nobody-at-all"}},
		{"a log that can never be", "send-log-file: /nowhere/send.log\n", nil, []string{"/nowhere/send.log"}},
		{"a program that is not there", "smtp-auth: exec:///nowhere/login\n", nil,
			[]string{"mtad.conf:2: smtp-auth", "/nowhere/login"}},
		{"a password file that is not there", "www-auth: file:///nowhere/users\n", nil,
			[]string{"mtad.conf:2: www-auth", "/nowhere/users"}},
		{"a list of logins that is none", "smtp-auth: hardcoded://joe:hunter2:x\n", nil, []string{"mtad.conf:2: smtp-auth"}},
		{"parameters that nobody knows", "smtp-auth: ldap://h.test/dc=test?nonsense=1\n", nil,
			[]string{"mtad.conf:2: smtp-auth"}},
		{"a database that has no address", "database-address: mysql://joe:hunter2@host/db?tls=perhaps\n", nil,
			[]string{"mtad.conf:2: database-address", "tls"}},
		{"an application log that can never be", "application-log: /nowhere/mtad.log\n", nil,
			[]string{"mtad.conf:2: application-log", "/nowhere"}},
		{"a pid file that can never be", "lock: /nowhere/mtad.pid\n", nil, []string{"mtad.conf:2: lock", "/nowhere"}},
		{"a certificate that does not fit", "www-certificate: /etc/hostname\nwww-privatekey: /etc/hostname\n", nil,
			[]string{"mtad.conf:2: www-certificate"}},
		{"a file that is not there", "", []string{"--config-file", "/nowhere/mtad.conf"}, []string{"/nowhere/mtad.conf"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			queue := filepath.Join(t.TempDir(), "queue")
			args := append([]string{"--config-file", writeFile(t, "mtad.conf", "queue-address: disk://"+queue+"\n"+c.text)},
				c.args...)
			// for what gets as far as listening
			args = append(args, "--smtp-ip=127.0.0.1", "--smtp-port="+mtatest.FreePort(t))
			p := mtatest.Run(t, nil, args...)
			require.Equal(t, 78, p.Exit(t, mtatest.Patience), p.Log.String())
			for _, want := range c.want {
				require.Contains(t, p.Log.String(), want)
			}
			require.NotContains(t, p.Log.String(), "hunter2")
			check := mtatest.Run(t, nil, append(args, "--check-config")...)
			require.Equal(t, 78, check.Exit(t, mtatest.Patience), "--check-config says so too: %s", check.Log.String())
			for _, want := range c.want {
				require.Contains(t, check.Log.String(), want)
			}
			require.NoDirExists(t, queue, "nothing has been opened yet")
		})
	}
}

// TestSwitches tries the switches that only print.
func TestSwitches(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--version": "mtad", "--help": "smtp-port", "--list-ips --loopback": "127.0.0.1",
	} {
		p := mtatest.Run(t, nil, strings.Fields(args)...)
		require.Zero(t, p.Exit(t, mtatest.Patience), "%s: %s", args, p.Log.String())
		require.Contains(t, p.Out.String(), want)
	}
}

// TestWithoutConfiguration starts mtad as somebody does who tries it out, but for the port. It says where its queue is
// and serves loopback.
func TestWithoutConfiguration(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"/etc/mailerq/config.txt", "/etc/mtad/config.txt"} {
		if _, err := os.Stat(file); err == nil {
			t.Skip(file + " is here")
		}
	}
	check := mtatest.Run(t, nil, "--check-config")
	require.Zero(t, check.Exit(t, mtatest.Patience))
	require.Regexp(t, `smtp-port +2525 `, check.Out.String())
	require.Regexp(t, `smtp-ip +127\.0\.0\.1 `, check.Out.String())

	state := t.TempDir()
	port := mtatest.FreePort(t)
	p := mtatest.Run(t, []string{"XDG_STATE_HOME=" + state}, "--smtp-port", port, "--www-port", "0")
	require.True(t, p.WaitLog("msg=listening"), p.Log.String())
	require.Contains(t, p.Log.String(), filepath.Join(state, "mtad", "queue"))
	require.Contains(t, p.Log.String(), "127.0.0.1:"+port)
	d := &mtatest.Daemon{Process: p, Addr: "127.0.0.1:" + port}
	d.Submit(t, "a@client.test", "b@[127.0.0.1]", "Subject: to an address\r\n\r\nText")
	p.Terminate(t)
}

// TestKeysWithoutEffect sets keys that this version only understands: each is told once, and mtad starts.
func TestKeysWithoutEffect(t *testing.T) {
	t.Parallel()
	keys := mtatest.Settings{"smtp-threads": "3", "license": "abc"}
	d := mtatest.Start(t, keys)
	for key := range keys {
		require.Equal(t, 1, strings.Count(d.Log.String(), key+":")+strings.Count(d.Log.String(), key+" ")+
			strings.Count(d.Log.String(), key+"="), "lines about %s:\n%s", key, d.Log.String())
	}
	d.Terminate(t)
}

// TestPidFile refuses a second start with the same pid file, and removes it at the end.
func TestPidFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mtad.pid")
	d := mtatest.Start(t, mtatest.Settings{"lock": file})
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(d.Cmd.Process.Pid), strings.TrimSpace(string(text)))
	second := mtatest.Launch(t, d.Settings.With(mtatest.Settings{"smtp-port": mtatest.FreePort(t),
		"queue-address": "disk://" + t.TempDir()}))
	require.NotZero(t, second.Exit(t, mtatest.Patience))
	require.Contains(t, second.Log.String(), file)
	require.Contains(t, second.Log.String(), strconv.Itoa(d.Cmd.Process.Pid))
	d.Terminate(t)
	require.NoFileExists(t, file)
}

// TestPortTaken says which port is taken.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := mtatest.ListenTCP("127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	p := mtatest.Launch(t, mtatest.Settings{"smtp-ip": "127.0.0.1", "smtp-port": port,
		"queue-address": "disk://" + t.TempDir()})
	require.NotZero(t, p.Exit(t, mtatest.Patience))
	require.Contains(t, p.Log.String(), "127.0.0.1:"+port)
	log := filepath.Join(t.TempDir(), "mtad.log")
	p = mtatest.Launch(t, mtatest.Settings{"smtp-ip": "127.0.0.1", "smtp-port": port,
		"queue-address": "disk://" + t.TempDir(), "application-log": log})
	require.NotZero(t, p.Exit(t, mtatest.Patience))
	require.Contains(t, p.Log.String(), "127.0.0.1:"+port, "also where somebody sees it who has just started it")
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Contains(t, string(text), "cannot start")
}

// TestCommandsInTheWrongPlace are told with the right ones: they are no addresses to send a mail to.
func TestCommandsInTheWrongPlace(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--smtp-port=2525 learn spam": "mtad learn --config-file FILE",
		"pauses":                      "use mtad ctl pauses",
		"token add me":                "use mtad ctl token",
	} {
		p := mtatest.Run(t, nil, strings.Fields(args)...)
		require.Equal(t, 64, p.Exit(t, mtatest.Patience), "%s: %s", args, p.Log.String())
		require.Contains(t, p.Log.String(), want)
	}
}

// TestTokenOfNoServer is refused: without a configuration and without a database it would open no door.
func TestTokenOfNoServer(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	p := mtatest.Run(t, []string{"HOME=" + home, "XDG_STATE_HOME="}, "ctl", "token", "add", "me")
	require.Equal(t, 78, p.Exit(t, mtatest.Patience))
	require.Contains(t, p.Log.String(), "there is no settings database at sqlite://"+home)
	require.Contains(t, p.Log.String(), "--config-file")
	left, err := os.ReadDir(home)
	require.NoError(t, err)
	require.Empty(t, left, "and none is made")
}

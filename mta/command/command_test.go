package command

import (
	"bytes"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/mta"
)

// answer has a command line that asks for no server answered.
func answer(t *testing.T, args ...string) (code int, done bool, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	args = append([]string{"--config-file", "/dev/null", "--queue-address", "disk://" + filepath.Join(dir, "queue"),
		"--database-address", "sqlite://" + filepath.Join(dir, "settings.db")}, args...)
	cfg, report, err := mta.Load(args, nil)
	var out, errs bytes.Buffer
	code, done = Answer(cfg, report, err, strings.NewReader(""), &out, &errs)
	return code, done, out.String(), errs.String()
}

func TestAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		args           []string
		code           int
		done           bool
		stdout, stderr string
	}{
		"a server":           {nil, ExitOK, false, "", ""},
		"help":               {[]string{"--help"}, ExitOK, true, "smtp-port", ""},
		"version":            {[]string{"--version"}, ExitOK, true, "mtad ", ""},
		"check":              {[]string{"--check-config", "--smtp-port", "2526"}, ExitOK, true, "2526", ""},
		"wrong":              {[]string{"--smtp-port", "many"}, ExitConfig, true, "", "smtp-port"},
		"wrong, looked at":   {[]string{"--check-config", "--smtp-port", "many"}, ExitConfig, true, "", "smtp-port"},
		"a command too late": {[]string{"ctl"}, exitUsage, true, "", "mtad ctl --config-file FILE"},
		"of ctl":             {[]string{"queues"}, exitUsage, true, "", "use mtad ctl queues"},
		"mistyped":           {[]string{"quuee"}, exitUsage, true, "", "did you mean mtad queue?"},
		"mistyped, of ctl":   {[]string{"tokens"}, exitUsage, true, "", "did you mean mtad ctl token?"},
		"a recipient":        {[]string{"root"}, exitUsage, true, "", "start no server"},
	} {
		t.Run(name, func(t *testing.T) {
			code, done, stdout, stderr := answer(t, c.args...)
			require.Equal(t, c.code, code, stderr)
			require.Equal(t, c.done, done)
			require.Contains(t, stdout, c.stdout)
			require.Contains(t, stderr, c.stderr)
			require.Equal(t, c.stderr == "", stderr == "", stderr)
		})
	}
}

// TestListIPs lists one address a line, those of loopback only where they were asked for.
func TestListIPs(t *testing.T) {
	for _, loopback := range []string{"true", "false"} {
		code, done, stdout, stderr := answer(t, "--list-ips", "--loopback", loopback)
		require.Zero(t, code, stderr)
		require.True(t, done)
		found := false
		for _, line := range strings.Fields(stdout) {
			ip, err := netip.ParseAddr(line)
			require.NoError(t, err)
			found = found || ip.IsLoopback()
		}
		require.Equal(t, loopback == "true", found, stdout)
	}
}

// TestFind has a command's word come first, or behind what every command knows.
func TestFind(t *testing.T) {
	for line, want := range map[string]string{
		"ctl queues": "ctl: queues", "learn": "learn: ", "--config-file F queue show 7": "queue: --config-file F show 7",
		"--config-file=F --json ctl": "ctl: --config-file=F --json", "run --smtp-port 25": "run: --smtp-port 25",
		"--config-file": "", "--config-file F": "", "queues": "", "": "", "--smtp-port 25 ctl": "", "-t": "",
	} {
		c, rest, found := Find("/usr/sbin/mtad", strings.Fields(line))
		require.Equal(t, want != "", found, line)
		if found {
			require.Equal(t, want, c.Name+": "+strings.Join(rest, " "))
		}
	}
	_, rest, found := Find("/usr/sbin/sendmail", []string{"ctl"})
	require.False(t, found, "mail to a local user of that name")
	require.Equal(t, []string{"ctl"}, rest)
}

// TestHelp has the help of everything fit a screen, name all that there is, and end with 0.
func TestHelp(t *testing.T) {
	help := func(args ...string) string {
		var out, errs bytes.Buffer
		require.Zero(t, help(&Call{Args: args, Stdout: &out, Stderr: &errs}), "%s", args)
		require.Empty(t, errs.String())
		return out.String()
	}
	short := help()
	require.LessOrEqual(t, strings.Count(short, "\n"), screen)
	for _, c := range Commands() {
		require.Contains(t, short, "\n  "+c.Name+" ")
		text := help(c.Name)
		require.LessOrEqual(t, strings.Count(text, "\n"), screen, c.Name)
		require.Contains(t, text, "mtad ")
		if c.Model == nil {
			continue
		}
		require.Contains(t, text, "\nExamples\n", c.Name)
		for _, leaf := range c.Model().Leaves(false) {
			text := help(append([]string{c.Name}, strings.Fields(leaf.Path())...)...)
			require.Contains(t, text, "Usage: mtad "+c.Name+" ")
			require.LessOrEqual(t, strings.Count(text, "\n"), screen, leaf.Path())
		}
	}
	require.Contains(t, help("keys"), "\n  --smtp-port ")
}

// screen is how many lines a help may have.
const screen = 40

// TestDetaches leaves in the foreground what is there already, and what systemd waits for.
func TestDetaches(t *testing.T) {
	daemon := &config.Config{Daemon: true}
	require.True(t, Detaches(daemon, []string{"HOME=/"}))
	require.False(t, Detaches(&config.Config{}, nil))
	require.False(t, Detaches(daemon, []string{detachedBy}))
	require.False(t, Detaches(daemon, []string{"NOTIFY_SOCKET=/run/systemd/notify"}))
	require.NoError(t, Detached(nil), "it was not started by Detach")
}

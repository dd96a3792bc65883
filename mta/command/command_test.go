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
		"of ctl":             {[]string{"queue"}, exitUsage, true, "", "use mtad ctl queues"},
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

func TestFind(t *testing.T) {
	require.NotNil(t, Find("ctl"))
	require.NotNil(t, Find("learn"))
	require.Nil(t, Find("--config-file"))
	require.Nil(t, Find("queues"))
}

// TestDetaches leaves in the foreground what is there already, and what systemd waits for.
func TestDetaches(t *testing.T) {
	daemon := &config.Config{Daemon: true}
	require.True(t, Detaches(daemon, []string{"HOME=/"}))
	require.False(t, Detaches(&config.Config{}, nil))
	require.False(t, Detaches(daemon, []string{detachedBy}))
	require.False(t, Detaches(daemon, []string{"NOTIFY_SOCKET=/run/systemd/notify"}))
	require.NoError(t, Detached(nil), "it was not started by Detach")
}

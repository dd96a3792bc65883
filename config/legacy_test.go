package config

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOldNames have their meaning.
func TestOldNames(t *testing.T) {
	cfg,
		_ := mustLoad(t,
		"smtp-sink-ip: 192.0.2.1\nsmtp-ranges: 192.0.2.0/24\nmax-connections: 77\ndaemon: true\npaused: yes\nloopback: 1\n")
	require.Equal(t, "192.0.2.1", cfg.SMTPSinkAddress)
	require.Len(t, cfg.SMTPRange, 1)
	require.Equal(t, 77, cfg.SMTPConnections)
	require.True(t, cfg.Daemon && cfg.Paused && cfg.Loopback)
	cfg, _ = mustLoad(t, "smtp-sink-ip: 0.0.0.0\n")
	require.Empty(t, cfg.SMTPSinkAddress)
	cfg, _, err := Load(Sources{SystemFiles: []string{},
		Args: []string{"--paused", "--loopback", "--daemon", "--fetch-license"}})
	require.NoError(t, err)
	require.True(t, cfg.Daemon && cfg.Paused && cfg.Loopback)
	cfg, _, err = Load(Sources{SystemFiles: []string{}, Args: []string{"--paused=false"},
		Environ: []string{"MAILERQ_PAUSED=true"}})
	require.NoError(t, err)
	require.False(t, cfg.Paused, "the command line wins")
}

// TestMinusOne is no limit, as MailerQ 3 had it.
func TestMinusOne(t *testing.T) {
	var lines strings.Builder
	for _, name := range []string{"domain-maxmessages", "domain-maxconnects", "domain-maxconnections", "domain-maxqueue",
		"ip-maxmessages", "ip-maxconnects",
		"ip-maxconnections", "connection-maxmessages", "connection-maxidle", "max-attempts", "max-deliver-time",
		"max-connections", "www-connections"} {
		lines.WriteString(name + ": -1\n")
	}
	cfg, report := mustLoad(t, lines.String())
	require.Zero(t, cfg.DomainMaxMessages+cfg.DomainMaxConnects+cfg.DomainMaxConnections+cfg.IPMaxMessages+
		cfg.IPMaxConnects+cfg.IPMaxConnections+
		cfg.ConnectionMaxMessages+cfg.MaxAttempts+cfg.SMTPConnections+cfg.WWWConnections)
	require.Equal(t, math.MaxInt32, cfg.DomainMaxQueue)
	require.Equal(t, longest, cfg.ConnectionMaxIdle)
	require.Equal(t, longest, cfg.MaxDeliverTime)
	for _, w := range report.Warnings {
		require.NotContains(t, w.Text, "-1")
	}
	for _, wrong := range []string{"domain-maxmessages: -2", "max-delivertime: -5", "smtp-timeout: -1"} {
		_, _, err := load(t, wrong+"\n")
		require.Error(t, err, wrong)
	}
}

// TestRetiredKeys are told with what replaces them; without a broker nobody is left with the embedded queue by mistake.
func TestRetiredKeys(t *testing.T) {
	for _, name := range []string{"rabbitmq-host", "rabbitmq-user", "rabbitmq-password", "rabbitmq-vhost"} {
		_, _, err := load(t, name+": hunter2\n")
		require.ErrorContains(t, err, "config.txt:1: "+name+": expected rabbitmq-address instead")
		require.NotContains(t, err.Error(), "hunter2")
		_, _, err = Load(Sources{SystemFiles: []string{},
			Environ: []string{"MAILERQ_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "=hunter2"}})
		require.ErrorContains(t, err, "rabbitmq-address instead")
		_, report := mustLoad(t, name+": hunter2\nrabbitmq-address: amqp://localhost/\n")
		requireWarning(t, report, name, "rabbitmq-address is what counts")
	}
	_, _, err := load(t, "cluster-host: a\n")
	require.ErrorContains(t, err, "cluster-address instead")
	for _, r := range retired() {
		for name := range strings.FieldsSeq(r.names) {
			require.Nil(t, newTable().byName[name], "%s is a key", name)
			if r.instead != "" {
				continue
			}
			_, report := mustLoad(t, name+": 1\n")
			requireWarning(t, report, name, r.advice)
		}
	}
}

func requireWarning(t *testing.T, report *Report, words ...string) {
	t.Helper()
	for _, w := range report.Warnings {
		all := true
		for _, word := range words {
			all = all && strings.Contains(w.String(), word)
		}
		if all {
			return
		}
	}
	require.Fail(t, "no such warning", "%q in %v", words, report.Warnings)
}

// TestLogPrefixAlone is a path, or a name in the directory where MailerQ has its logs, or is told to do nothing.
func TestLogPrefixAlone(t *testing.T) {
	dir := t.TempDir()
	cfg, _ := mustLoad(t, "send-log-prefix: "+filepath.Join(dir, "attempts")+"\nreceived-log-prefix: in\n")
	require.Equal(t, filepath.Join(dir, "attempts.log"), cfg.SendLogFile)
	if isDirectory(systemLogs) {
		require.Equal(t, filepath.Join(systemLogs, "in.log"), cfg.ReceivedLogFile)
		return
	}
	_, report := mustLoad(t, "received-log-prefix: in\n")
	requireWarning(t, report, "received-log-prefix does nothing without received-log-directory")
	require.Empty(t, cfg.ReceivedLogFile)
}

package config

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSwitches(t *testing.T) {
	tests := []struct {
		args string
		want Switches
	}{
		{"", Switches{}},
		{"--check-config --config-file /x", Switches{CheckConfig: true, ConfigFile: "/x"}},
		{"--config-file=/x=y", Switches{ConfigFile: "/x=y"}},
		{"--version", Switches{Version: true}},
		{"-h", Switches{Help: true}},
		{"--list-ips --list-cluster --notify-cluster --paused --loopback --daemon",
			Switches{ListIPs: true, ListCluster: true, NotifyCluster: true}},
		{"--repair-database --purge-database --yes", Switches{RepairDatabase: true, PurgeDatabase: true, Yes: true}},
		{"--yes=false --fetch-license=yes", Switches{FetchLicense: true}},
		{"a@b.c d@e.f", Switches{Addresses: []string{"a@b.c", "d@e.f"}}},
		{"--extract-recipients --ignore-dot --envelope a@b.c",
			Switches{ExtractRecipients: true, IgnoreDot: true, Envelope: "a@b.c", EnvelopeSet: true}},
		{"--envelope= x@y.z", Switches{EnvelopeSet: true, Addresses: []string{"x@y.z"}}},
		{"-t -i -f a@b.c", Switches{ExtractRecipients: true, IgnoreDot: true, Envelope: "a@b.c", EnvelopeSet: true,
			sendmail: true}},
		{"-ti -fa@b.c", Switches{ExtractRecipients: true, IgnoreDot: true, Envelope: "a@b.c", EnvelopeSet: true,
			sendmail: true}},
		{"-oi -oem -f <> x@y.z", Switches{IgnoreDot: true, Envelope: "<>", EnvelopeSet: true, Addresses: []string{"x@y.z"},
			sendmail: true}},
		{"-FCronDaemon -i -odi -oem -oi -or0s root", Switches{FullName: "CronDaemon", IgnoreDot: true, sendmail: true,
			Addresses: []string{"root"}}},
		{"-F Ann -B 8BITMIME -O DeliveryMode=b -r a@b.c -vGUnm -N success,Delay -R hdrs -V id7 -C /x", Switches{FullName: "Ann",
			Envelope: "a@b.c", EnvelopeSet: true, Notify: []string{"SUCCESS", "DELAY"}, Ret: "HDRS", EnvID: "id7",
			ConfigFile: "/x", sendmail: true}},
		{"-bs", Switches{Mode: "s", sendmail: true}},
		{"-b p", Switches{Mode: "p", sendmail: true}},
		{"-q", Switches{FlushQueue: true, sendmail: true}},
		{"-q30m", Switches{FlushQueue: true, sendmail: true}},
		{"-t -- -odd@b.c --paused", Switches{ExtractRecipients: true, Addresses: []string{"-odd@b.c", "--paused"}}},
		{"--smtp-port 26 a@b.c", Switches{Addresses: []string{"a@b.c"}}},
		{"--spool-remove a@b.c", Switches{Addresses: []string{"a@b.c"}}},
		{"--spool-remove no a@b.c", Switches{Addresses: []string{"a@b.c"}}},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			got, err := ParseArgs(strings.Fields(test.args))
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			require.Equal(t, got.EnvelopeSet || got.ExtractRecipients || got.IgnoreDot || got.Addresses != nil || got.sendmail,
				got.Sendmail())
		})
	}
}

func TestSwitchesThatAreWrong(t *testing.T) {
	tests := []struct{ args, want string }{
		{"--smtp-prot=26", "command line --smtp-prot: expected a known switch; did you mean --smtp-port?"},
		{"--smtp-pasword=hunter2", "command line --smtp-pasword: expected a known switch; did you mean --smtp-password?"},
		{"--chek-config", "command line --chek-config: expected a known switch; did you mean --check-config?"},
		{"--zzz", "command line --zzz: expected a key or a switch of --help"},
		{"-z", "command line -z: expected a key or a switch of --help"},
		{"-smtp-port=26", "command line -smtp-port: expected a known switch; did you mean --smtp-port?"},
		{"-", "command line -: expected a key or a switch of --help"},
		{"--smtp-port",
			"command line --smtp-port: expected a value behind it; one that starts with dashes as --smtp-port=VALUE"},
		{"--smtp-port --paused", "command line --smtp-port: expected a value behind it"},
		{"--config-file", "command line --config-file: expected a value behind it"},
		{"-f", "command line -f: expected an address behind it"},
		{"-N often", `command line -N: "often": expected never, or some of success`},
		{"-N never,delay", `command line -N: "never,delay": expected never, or some of success`},
		{"-Rmuch", `command line -R: "much": expected full or hdrs`},
		{"-F", "command line -F: expected a value behind it"},
		{"--yes=perhaps", `command line --yes: "perhaps": expected a boolean`},
		{"--rabbitmq-host=hunter2", "command line --rabbitmq-host: expected rabbitmq-address"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			_, err := ParseArgs(strings.Fields(test.args))
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "hunter2")
			_, _, err = Load(Sources{SystemFiles: []string{}, Args: strings.Fields(test.args)})
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestKeysOnTheCommandLine(t *testing.T) {
	cfg, report, err := Load(Sources{SystemFiles: []string{}, Args: strings.Fields(
		"--smtp-port=26,27 --smtp-range 10.0.0.0/8 --smtp-extract=no --dsn-advertise off --rabbitmq-inbox= --dns-rotate --smtp-timeout 5 --smtp-timeout 6 a@b.c")})
	require.NoError(t, err)
	require.Equal(t, []int{26, 27}, cfg.SMTPPort)
	require.Equal(t, "10.0.0.0/8", cfg.SMTPRange[0].String())
	require.False(t, cfg.SMTPExtract)
	require.False(t, cfg.DSNAdvertise)
	require.True(t, cfg.DNSRotate)
	require.Empty(t, cfg.RabbitMQInbox)
	require.Equal(t, "6s", cfg.SMTPTimeout.String())
	require.Equal(t, []string{"a@b.c"}, report.Switches.Addresses)
	require.Contains(t, envWarnings(report),
		"command line --smtp-timeout: smtp-timeout is given more than once: the last one wins\n")
	require.Equal(t, "command line --dns-rotate", setting(t, report, "dns-rotate").Origin.String())

	_, report, err = Load(Sources{SystemFiles: []string{}, Args: []string{"--version", "--smtp-port", "x"}})
	require.EqualError(t, err,
		`command line --smtp-port: smtp-port: "x": expected ports from 0 to 65535, with commas and ranges: 25,2525,1024-1026 (not "x")`)
	require.True(t, report.Switches.Version, "switches are known though a key is wrong")
}

func TestHelpNamesEverything(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteHelp(&b))
	for _, k := range Keys() {
		if k.Ignored == "" && !k.Older {
			require.Contains(t, b.String(), "\n  --"+k.Name+" ")
		}
	}
	for _, s := range toggles() {
		require.Contains(t, b.String(), "--"+s.name)
	}
}

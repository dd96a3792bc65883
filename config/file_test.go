package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// base is a configuration that there is nothing to say about.
const base = "smtp-range: 127.0.0.0/8\n"

func TestForm(t *testing.T) {
	cfg, report := mustLoad(t, "\ufeff# comment\r\n  # another\n\n"+
		"smtp-range:127.0.0.0/8\r\n"+
		"  smtp-greeting \t:  # not a comment: just text  \n"+
		"www-url: https://host:8485/a=b\n"+
		"smtp-port: 2525") // no line end
	require.Equal(t, "# not a comment: just text", cfg.SMTPGreeting)
	require.Equal(t, "https://host:8485/a=b", cfg.WWWURL)
	require.Equal(t, []int{2525}, cfg.SMTPPort)
	require.Empty(t, report.Warnings)
	require.Equal(t, 7, setting(t, report, "smtp-port").Origin.Line)
}

// TestWarnings: each text is understood, with these warnings.
func TestWarnings(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing to say", base, ""},
		{"unknown key", base + "smtp-maxsizes: 1\n", "config.txt:2: unknown key smtp-maxsizes: did you mean smtp-maxsize?\n"},
		{"unknown key, upper case", base + "SMTP_Port: 26\n",
			"config.txt:2: unknown key SMTP_Port: did you mean smtp-port?\n"},
		{"unknown key, letters swapped", base + "smpt-ragne: 1\n",
			"config.txt:2: unknown key smpt-ragne: did you mean smtp-range?\n"},
		{"unknown key, beginning only", base + "smtp-cert: 1\n",
			"config.txt:2: unknown key smtp-cert: did you mean smtp-certificate?\n"},
		{"unknown key like nothing", base + "colour: blue\n", "config.txt:2: unknown key colour\n"},
		{"duplicate", base + "\nsmtp-port: 25\nsmtp-port: 26\n",
			"config.txt:4: smtp-port is also set in line 3: the later line wins\n"},
		{"duplicate by another name", base + "database: sqlite:///a\ndatabase-address: sqlite:///b\n",
			"config.txt:3: database-address is also set in line 2: the later line wins\n"},
		{"no colon", base + "smtp-port 26\n",
			"config.txt:2: smtp-port has no colon behind it: understood as smtp-port: 26\n"},
		{"no colon before a URL", base + "www-url https://h/\n",
			"config.txt:2: www-url has no colon behind it: understood as www-url: https://h/\n"},
		{"no colon before a secret", base + "www-password hunter2\n",
			"config.txt:2: www-password has no colon behind it: understood as www-password: ********\n"},
		{"equals sign", base + "smtp-port=26\n",
			"config.txt:2: smtp-port has an equals sign behind it instead of a colon: understood as smtp-port: 26\n"},
		{"nobody may connect", "smtp-port: 26\n",
			"smtp-range names nobody: no client may connect; name those that may, for example smtp-range: 127.0.0.0/8\n"},
		{"nobody may connect, and no port", "smtp-port:\n", ""},
		{"only for RabbitMQ", base + "rabbitmq-lazy: true\ncluster-exchange: x\nrabbitmq-qos: 5\n",
			"config.txt:2: only RabbitMQ understands rabbitmq-lazy, rabbitmq-qos, cluster-exchange, and there is no rabbitmq-address: either set rabbitmq-address, or leave them out and stay with the embedded queue of queue-address\n"},
		{"queue names are for all queues", base + "rabbitmq-inbox: in\nrabbitmq-dsn: bounces\nrabbitmq-failure: f\n", ""},
		{"with RabbitMQ", base + "rabbitmq-address: amqp://h\nrabbitmq-lazy: true\ncluster-exchange: x\n", ""},
		{"both queues", base + "rabbitmq-address: amqp://h\nqueue-address: disk:///q\n",
			"config.txt:3: queue-address is not used: rabbitmq-address takes its place\n"},
		{"inbox nobody reads", base + "rabbitmq-outbox: out\n",
			"config.txt:2: rabbitmq-inbox is still outbox: mail received is not sent on from there; set it to out if it should be\n"},
		{"inbox discards", base + "rabbitmq-inbox:\n", "config.txt:2: rabbitmq-inbox is empty: mail received is discarded\n"},
		{"ignored", base + "license: /l\nplugin-directory: /p\n",
			"config.txt:2: license is ignored: there is no licence\nconfig.txt:3: plugin-directory is ignored: Go interfaces replace plug-ins\n"},
		{"auth without TLS", base + "smtp-auth: users://a\n",
			"config.txt:2: smtp-auth without smtp-certificate and smtp-key: logging in is possible from loopback only\n"},
		{"old login beside the new one", base + "smtp-auth: users://a\nsmtp-username: u\nsmtp-password: p\n",
			"config.txt:3: smtp-username is not used: smtp-auth takes its place\nconfig.txt:2: smtp-auth without smtp-certificate and smtp-key: logging in is possible from loopback only\n"},
		{"console's old login", base + "www-auth: users://a\nwww-password: p\n",
			"config.txt:3: www-password is not used: www-auth takes its place\n"},
		{"checks without their servers", base + "smtp-check: dnsbl\n",
			"config.txt:2: smtp-check: dnsbl does nothing without dnsbl-zones\n"},
		{"acting on checks that do not run", base + "spam-reject-score: 9\ndmarc-enforce: yes\n",
			"config.txt:2: spam-reject-score: it does nothing without spam in smtp-check\nconfig.txt:3: dmarc-enforce: it does nothing without dmarc in smtp-check\n"},
		{"policy without a store", base + "storage-policy: all\n",
			"config.txt:2: storage-policy: it does nothing without storage-address\n"},
		{"queries for several mails", base + "storage-address: mongodb://u:hunter2@h/d/c?readAttempts=3&maxQuerySize=10\n",
			"config.txt:2: storage-address: maxQuerySize does nothing: each query asks for one mail\n"},
		{"no cipher that Go has", base + "smtp-ciphers: CAMELLIA\n",
			"config.txt:2: smtp-ciphers: no cipher that Go's TLS has is left for TLS 1.2: Go's own choice is used\nconfig.txt:2: smtp-ciphers: Go's TLS has nothing for CAMELLIA\n"},
		{"ciphers that Go lacks", base + "smtp-ciphers: HIGH:CAMELLIA:!aNULL\n",
			"config.txt:2: smtp-ciphers: Go's TLS has nothing for CAMELLIA\n"},
		{"old logs",
			base +
				"error-log: /e.log\nsend-log-directory: /var/log\nsend-log-prefix: attempts\nsend-log-maxsize: 5\nwww-log-prefix: w\nreceived-log-file: /r\nreceived-log-directory: /d\n",
			"config.txt:2: error-log is an older name: understood as application-log: /e.log\n" +
				"config.txt:3: send-log-directory is an older name: understood as send-log-file: /var/log/attempts.log\n" +
				"config.txt:5: send-log-maxsize is ignored: let logrotate move the log, it is opened anew at once\n" +
				"config.txt:8: received-log-directory is ignored: received-log-file is what counts\n" +
				"config.txt:6: www-log-prefix does nothing without www-log-directory: nothing is logged there; name the file with www-log-file\n"},
		{"old error log beside the new one", base + "error-log: /e.log\napplication-log: stdout\n",
			"config.txt:2: error-log is ignored: application-log is what counts\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, report := mustLoad(t, test.text)
			require.Equal(t, test.want, warnings(report))
		})
	}
}

// TestErrors: each text is refused, with these errors.
func TestErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"value", "smtp-timeout: soon\n",
			`config.txt:1: smtp-timeout: "soon": expected seconds as a number, or with a unit such as 5m; at least 1`},
		{"comment behind a value", "smtp-timeout: 300 # five minutes\n",
			`config.txt:1: smtp-timeout: "300 # five minutes": expected seconds as a number, or with a unit such as 5m; at least 1; a comment needs a line of its own`},
		{"by another name", "max-deliver-time: x\n",
			`config.txt:1: max-delivertime: "x": expected seconds as a number, or with a unit such as 5m; at least 1`},
		{"overridden and wrong all the same", "smtp-extract: maybe\nsmtp-extract: true\n",
			`config.txt:1: smtp-extract: "maybe": expected a boolean: true or false, yes or no, on or off, 1 or 0`},
		{"one of a list", "smtp-default-ips: 1.2.3.4;nowhere\n",
			`config.txt:1: smtp-default-ips: "1.2.3.4;nowhere": expected IP addresses with ; or , between (not "nowhere")`},
		{"by name", "storage-address: couchbase://host/bucket\n", `couchbase:// is not supported`},
		{"key alone", "rabbitmq-inbox\n", "config.txt:1: rabbitmq-inbox: expected a colon and a value behind the key"},
		{"control characters", "smtp-greeting: a\x00b\n",
			"config.txt:1: expected a line of text, up to 16 KiB, without control characters"},
		{"endless line", "smtp-greeting: " + strings.Repeat("x", maxLine) + "\n", "config.txt:1: expected a line of text"},
		{"not a configuration", strings.Repeat("lorem ipsum dolor\n", 5000),
			"config.txt:100: expected lines of the form key: value; 100 of the lines so far are not"},
		{"zero TTL", "dns-min-ttl: 0\n", `config.txt:1: dns-min-ttl: "0": expected seconds`},
		{"certificate alone", "smtp-certificate: /c\n",
			`config.txt:1: smtp-certificate: "/c": expected smtp-key to be set too`},
		{"key alone", "smtp-key: /k\n", `config.txt:1: smtp-key: "/k": expected smtp-certificate to be set too`},
		{"www certificate alone", "www-certificate: /c\n",
			`config.txt:1: www-certificate: "/c": expected www-privatekey to be set too`},
		{"virus scanner that is nowhere", "smtp-check: spf,virus\n",
			`config.txt:1: smtp-check: "spf,virus": expected clamav-address to be set too, to where clamd listens, for the check virus`},
		{"TLS port alone", "smtp-secure-port: 465\n",
			`config.txt:1: smtp-secure-port: "465": expected smtp-certificate and smtp-key to be set too`},
		{"HTTPS port alone", "www-secure-port: 443\n",
			`config.txt:1: www-secure-port: "443": expected www-certificate and www-privatekey to be set too`},
		{"a submission port without TLS", "smtp-auth: users://a\nsubmission-port: 587\n",
			`config.txt:2: submission-port: "587": expected smtp-certificate and smtp-key to be set too`},
		{"a submission port without logins", "submission-port: 587\n",
			`config.txt:1: submission-port: "587": expected smtp-auth to be set too`},
		{"a port twice", "smtp-port: 25,587\nsubmission-port: 587\n",
			`config.txt:2: submission-port: "587": expected a port that smtp-port does not name too`},
		{"user alone", "smarthost-username: u\n",
			`config.txt:1: smarthost-username: "u": expected smarthost-password to be set too`},
		{"password alone", "smtp-password: hunter2\n",
			`config.txt:1: smtp-password: "********": expected smtp-username to be set too`},
		{"routes missing", "smtp-routes: /nonexistent/routes\n",
			`config.txt:1: smtp-routes: "/nonexistent/routes": expected a readable file of domain:relay:port lines (no such file or directory)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg, report, err := load(t, test.text)
			require.Nil(t, cfg)
			require.NotNil(t, report)
			require.ErrorContains(t, err, test.want)
			require.NotEmpty(t, Errors(err))
		})
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, _, err := load(t, "smtp-port: x\nsmtp-extract: y\nsmtp-routes: /nonexistent/routes\n")
	all := Errors(err)
	require.Len(t, all, 3)
	require.Equal(t, []string{"smtp-port", "smtp-extract", "smtp-routes"}, []string{all[0].Key, all[1].Key, all[2].Key})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Equal(t, all, Errors(fmt.Errorf("start: %w", err)))
	require.Nil(t, Errors(errors.New("another")))
	require.Nil(t, Errors(nil))
}

func TestEmptyValues(t *testing.T) {
	cfg,
		_ := mustLoad(t,
		"smtp-port:\nsmtp-timeout:\nsmtp-extract:\nrabbitmq-inbox:\nwww-secure-port:\nsmtp-maxsize:\nsmtp-busy:\n")
	require.Empty(t, cfg.SMTPPort)
	require.Equal(t, "5m0s", cfg.SMTPTimeout.String())
	require.True(t, cfg.SMTPExtract)
	require.Empty(t, cfg.RabbitMQInbox)
	require.Zero(t, cfg.WWWSecurePort)
	require.EqualValues(t, 100e6, cfg.SMTPMaxSize)
	require.Equal(t, "wait", cfg.SMTPBusy)
}

func TestOldLogsBecomePaths(t *testing.T) {
	cfg,
		report := mustLoad(t,
		"error-log: /e.log\nsend-log-directory: /var/log\nsend-log-prefix: attempts.txt\ndownload-log-directory: /d\n")
	require.Equal(t, []string{"/e.log"}, cfg.ApplicationLog)
	require.Equal(t, "/var/log/attempts.txt", cfg.SendLogFile)
	require.Equal(t, "/d/download.log", cfg.DownloadLogFile)
	require.Empty(t, cfg.WWWLogFile)
	require.Equal(t, "from send-log-directory", setting(t, report, "send-log-file").Origin.String())
}

func TestDerived(t *testing.T) {
	cfg,
		report := mustLoad(t,
		"rabbitmq-address: amqp://h1;h2/v, amqps://h3\nproxy-server: http://p:3128\nsmtp-username: a:b\nsmtp-password: p,%/@\n")
	require.Equal(t, []string{"amqp://h1;h2/v", "amqps://h3"}, cfg.RabbitMQAddress)
	require.Equal(t, cfg.RabbitMQAddress, cfg.ClusterAddress)
	require.Equal(t, "http://p:3128", cfg.DownloadProxy)
	require.Equal(t, []string{"hardcoded://a%3Ab:p%2C%25%2F%40"}, cfg.SMTPAuth)
	require.Equal(t, "from rabbitmq-address", setting(t, report, "cluster-address").Origin.String())
	require.Equal(t, "hardcoded://********", setting(t, report, "smtp-auth").Value)
}

func TestUnsupportedKeys(t *testing.T) {
	name := write(t, "config.txt", base+"smtp-port: 26\nwww-port: 80\nlicense: x\nerror-log: /e\n")
	supported := func(key string) bool { return strings.HasPrefix(key, "smtp-") }
	_, report, err := Load(Sources{SystemFiles: []string{name}, Environ: []string{"MTAD_SERVER_ID=7"},
		Supported: supported})
	require.NoError(t, err)
	require.Equal(t, "config.txt:5: error-log is an older name: understood as application-log: /e\n"+
		"config.txt:4: license is ignored: there is no licence\n"+
		"environment MTAD_SERVER_ID: server-id is understood, but this version does nothing with it yet\n"+
		"config.txt:3: www-port is understood, but this version does nothing with it yet\n", warnings(report))
}

// TestChains: lines of the keys for logins add up within a source, and those of a later source take their place.
func TestChains(t *testing.T) {
	name := filepath.Join(t.TempDir(), "config.txt")
	text := "smtp-auth: hardcoded://joe:first-secret,x\n\nwww-auth: FILE:///etc/users\nsmtp-auth: ldap://host/dc=test\nsmtp-auth:\nwww-auth: users://joe,ann\n"
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	cfg, report, err := Load(Sources{SystemFiles: []string{name}})
	require.NoError(t, err)
	require.Equal(t, []string{"hardcoded://joe:first-secret,x", "ldap://host/dc=test"}, cfg.SMTPAuth)
	require.Equal(t, []string{"file:///etc/users", "users://joe,ann"}, cfg.WWWAuth)
	for _, w := range report.Warnings {
		require.NotContains(t, w.String(), "later line wins")
	}
	var b strings.Builder
	require.NoError(t, report.Write(&b))
	require.NotContains(t, b.String(), "first-secret")
	require.Contains(t, b.String(), "ldap://host/dc=test")

	cfg, _, err = Load(Sources{SystemFiles: []string{name},
		Args: []string{"--smtp-auth=hardcoded://a:b", "--smtp-auth", "users://c"}})
	require.NoError(t, err)
	require.Equal(t, []string{"hardcoded://a:b", "users://c"}, cfg.SMTPAuth)
	require.Len(t, cfg.WWWAuth, 2)

	require.NoError(t, os.WriteFile(name, []byte("smtp-auth: hardcoded://joe:first-secret\nsmtp-auth: gopher://x\n"),
		0o600))
	_, _, err = Load(Sources{SystemFiles: []string{name}})
	require.ErrorContains(t, err, ":2: ")
	require.NotContains(t, err.Error(), "first-secret")
}

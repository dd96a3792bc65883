package config

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTypes gives values of every type to a key of that type. ok is the value as the report writes it; without it the
// value is refused, with a message that says what the type wants.
func TestTypes(t *testing.T) {
	tests := map[string][]struct{ in, ok string }{
		"smtp-extract": { // boolean
			{"true", "true"}, {"1", "true"}, {"Yes", "true"}, {"ON", "true"}, {"false", "false"}, {"0", "false"},
			{"no", "false"},
			{"off", "false"}, {"", "true"}, {"maybe", ""}, {"2", ""}, {"true # really", ""},
		},
		"smtp-maxrecipients": { // integer
			{"1", "1"}, {"1000", "1000"}, {"", "1000"}, {"0", ""}, {"-1", ""}, {"1e3", ""}, {"1.5", ""},
			{"99999999999999999999", ""}, {"ten", ""},
		},
		// port
		"spamassassin-port": {{"783", "783"}, {"0", "0"}, {"65535", "65535"}, {"65536", ""}, {"-1", ""}, {"smtp", ""}},
		"smtp-maxsize": { // size
			{"100MB", "100MB"}, {"100 mb", "100MB"}, {"1GiB", "1GiB"}, {"1.5GiB", "1536MiB"}, {"64K", "64KB"}, {"123", "123"},
			{"123B", "123"},
			{"0", "0"}, {"9223372036854775807", "9223372036854775807"}, {"9223372036854775808", ""}, {"99999999TB", ""},
			{"-5", ""},
			{"9007199254740993", "9007199254740993"}, {"9007199254740993B", "9007199254740993"}, // 2^53 + 1
			{"9007199254741KB", "9007199254741KB"}, {"8388609GiB", "8388609GiB"}, {"8796093022209KiB", "8796093022209KiB"},
			{"9223372036854775807KB", ""}, {"9223372TB", "9223372TB"}, {"9223373TB", ""}, {"8388607TiB", "8388607TiB"},
			{"8388608TiB", ""}, {"9000.5TB", "9000500GB"}, {"9007.5TB", ""}, {"9223372.1TB", ""},
			{"MB", ""}, {"12XB", ""}, {"1e9", ""}, {"inf", ""}, {"1.2.3MB", ""},
		},
		"smtp-timeout": { // seconds
			{"300", "300"}, {"5m", "300"}, {"1h30m", "5400"}, {"60.0", "60"}, {"2d", "172800"}, {"1500ms", "1.5"}, {"", "300"},
			{"0", ""}, {"-5", ""}, {"-5m", ""}, {"soon", ""}, {"NaN", ""}, {"1e999", ""}, {"9999999999999", ""},
			{"999999999d", ""},
		},
		"connection-maxidle": {{"5000", "5000"}, {"5s", "5000"}, {"0", "0"}, {"x", ""}}, // milliseconds
		"dns-min-ttl":        {{"1", "1"}, {"1m", "60"}, {"0", ""}},
		"retry-interval": {
			{"600,600,1800", "600,600,1800"}, {"10m; 1h", "600,3600"}, {"5", "5"}, {"600,0", ""}, {",", ""}, {"600,x", ""},
			{"", "600,600,1800,1800,3600,3600,7200"},
		},
		"smtp-port": { // port list
			{"25,2525,1024-1026", "25,2525,1024-1026"}, {"25, 26 ,27", "25-27"}, {"25;26", "25,26"}, {"0", "0"}, {"1-2", "1,2"},
			{"25,25", "25"},
			{"", "–"}, {"1026-1024", ""}, {"0-3", ""}, {"65536", ""}, {"1-", ""}, {"-5", ""}, {"a-b", ""},
		},
		"smtp-range": { // IP range list
			{"192.168.0.0/16", "192.168.0.0/16"}, {"192.168.3.4/16;1.2.3.4", "192.168.0.0/16,1.2.3.4/32"},
			{"::1, fd00::/8", "::1/128,fd00::/8"},
			{"::ffff:1.2.3.4", "1.2.3.4/32"}, {"::ffff:1.2.3.0/120", "1.2.3.0/24"}, {"nobody", "(nobody)"}, {"", "(nobody)"},
			{"192.168.0.0/33", ""}, {"localhost", ""}, {"1.2.3", ""}, {"1.2.3.4/", ""}, {"fe80::1%eth0", ""},
			{"::ffff:0:0/90", ""},
		},
		"smtp-default-ips": { // IP list
			{"1.2.3.4;4.5.6.7", "1.2.3.4,4.5.6.7"}, {" 1.2.3.4 , ::1 ;", "1.2.3.4,::1"}, {"[::1]", "::1"}, {"", "(any)"},
			{"1.2.3.4/32", ""}, {"host", ""},
		},
		"smtp-ip": {{"all", "(all)"}, {"0.0.0.0", "0.0.0.0"}, {"every", ""}},
		"download-whitelist": {
			{"192.168.0.30/32:80", "192.168.0.30/32:80"}, {"10.0.0.0/8", "10.0.0.0/8"}, {"[fd00::/8]:443", "[fd00::/8]:443"},
			{"fd00::/8", "fd00::/8"},
			{"10.0.0.1/32:0", ""}, {"10.0.0.1/32:http", ""}, {"fd00::/8:443:", ""}, {"example.com:80", ""},
		},
		"dns-servers": {
			{"1.2.3.4", "1.2.3.4:53"}, {"1.2.3.4:5353, ::1, [::1]:5300", "1.2.3.4:5353,[::1]:53,[::1]:5300"},
			{"", "(those of resolv.conf)"},
			{"resolver", ""}, {"1.2.3.4:0", ""},
		},
		"smtp-check":           {{"spf, DKIM,dmarc", "spf,dkim,dmarc"}, {"spf,spf", "spf"}, {"", "–"}, {"spf,greylist", ""}},
		"dsn-notify":           {{"failure,Delay", "FAILURE,DELAY"}, {"NEVER", "NEVER"}, {"NEVER,DELAY", ""}, {"always", ""}},
		"smtp-busy":            {{"reject", "reject"}, {"WAIT", "wait"}, {"", "wait"}, {"drop", ""}},
		"smtp-line-ends":       {{"normalize", "normalise"}, {"strip", ""}},
		"rabbitmq-encoding":    {{"gzip", "gzip"}, {"identity", "(none)"}, {"none", "(none)"}, {"", "(none)"}, {"br", ""}},
		"rabbitmq-maxpriority": {{"10", "10"}, {"0", "(no priorities)"}, {"", "(no priorities)"}, {"256", ""}},
		"www-connections":      {{"unlimited", "(unlimited)"}, {"10", "10"}, {"many", ""}},
		"preflight-sample":     {{"0.01", "0.01"}, {"1", "1"}, {"none", "(none)"}, {"1.1", ""}, {"1%", ""}},
		"spam-reject-score":    {{"7.5", "7.5"}, {"12", "12"}, {"never", "(never)"}, {"-1", ""}, {"1e2", ""}, {"0x8", ""}},
		"smtp-hostname": {{"mx.example.com", "mx.example.com"}, {"1.2.3.4", "1.2.3.4"}, {"::1", "::1"}, {"a b", ""},
			{"http://x", ""}, {"host:25", ""}},
		"smtp-sink-address": {{"127.0.0.1", "127.0.0.1"}, {"0.0.0.0", "(off)"}, {"", "(off)"}, {"127.0.0.1:25", ""}},
		"application-log":   {{"stderr, /var/log/a b.log", "stderr,/var/log/a b.log"}, {"", "–"}},
		"metrics-address": {{"127.0.0.1:9100", "127.0.0.1:9100"}, {":9100", ":9100"}, {"9100", ""}, {"a:b", ""},
			{"http://x:1", ""}},
		"rabbitmq-inbox": {{"", "–"}, {"in coming", "in coming"}, {strings.Repeat("q", 256), ""}},
		"clamav-address": {{"unix:///run/clamd.ctl", "unix:///run/clamd.ctl"}, {"TCP://Host:3310", "tcp://Host:3310"},
			{"http://host", ""}, {"unix://", ""}, {"tcp://:3310", ""}, {"tcp://host:port", ""}, {"host:3310", ""}},
		"rabbitmq-address": {
			{"amqp://localhost/", "amqp://localhost/"}, {"amqp://a/v, amqps://b:5671/", "amqp://a/v,amqps://b:5671/"},
			{"amqp://a;b:5673/", "amqp://a;b:5673/"},
			{"amqp://u:p,w@h", "amqp://u:********@h"}, {"amqp://a,b/", ""}, {"amqp://", ""}, {"amqp:///vhost", ""},
			{"amqp://h:99999/", ""}, {"localhost", ""},
		},
		"storage-address": {
			{"dir:///mail?depth=3", "dir:///mail?depth=3"}, {"directory:///mail", "directory:///mail"},
			{"s3://a:s@eu/bucket", "s3://a:********@eu/bucket"},
			{"mongodb://h1;h2/rs/db/c?readAttempts=3", "mongodb://h1;h2/rs/db/c?readAttempts=3"}, {"couchbase://h/b", ""},
			{"/mail", ""},
		},
		"queue-address": {{"disk:///q", "disk:///q"}, {"memory://", ""}, {"disk://", ""}},
		"smtp-auth": {
			{"users://", "users://"}, {"users://a,client*", "users://a,client*"}, {"file:///users.txt", "file:///users.txt"},
			{"exec:///bin/x", "exec:///bin/x"},
			{"ldap://h:389/dc=a,dc=b", "ldap://h:389/dc=a,dc=b"}, {"ldap:///dc=a", ""},
			{"radius://id:s@h:1812", "radius://id:********@h:1812"},
			{"hardcoded://a:b,c,d", "hardcoded://********"}, {"hardcoded://", ""}, {"hardcode://a:b", ""}, {"ldap:h", ""},
		},
	}
	keys := newTable()
	for name, cases := range tests {
		for _, c := range cases {
			t.Run(name+"="+cut(c.in), func(t *testing.T) {
				_, report, err := load(t, name+": "+c.in+"\n")
				if c.ok != "" {
					require.NoError(t, err)
					require.Equal(t, c.ok, setting(t, report, name).Value)
					return
				}
				all := Errors(err)
				require.Len(t, all, 1, "%v", err)
				require.Equal(t, name, all[0].Key)
				require.Equal(t, 1, all[0].Line)
				require.True(t, strings.HasPrefix(all[0].Want, keys.byName[name].Want), all[0].Want)
			})
		}
	}
}

// TestTextsReadBack: what is written for a default reads back as the same value.
func TestTextsReadBack(t *testing.T) {
	for _, k := range Keys() {
		t.Run(k.Name, func(t *testing.T) {
			a, b := new(Config), new(Config)
			require.NoError(t, k.reset(a))
			require.NoError(t, k.set(b, k.text(a)))
			require.Equal(t, k.text(a), k.text(b))
			require.Equal(t, a, b)
		})
	}
}

func TestTableIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		for _, name := range append([]string{k.Name}, k.Aliases...) {
			require.False(t, seen[name], "%s stands twice in the table", name)
			seen[name] = true
			require.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, name)
		}
		require.NotEmpty(t, k.Group, k.Name)
		require.NotEmpty(t, k.Meaning, k.Name)
		require.NotEmpty(t, k.Type, k.Name)
	}
	require.Len(t, seen, len(newTable().names))
}

// TestSizesComeBack has the written form of a size mean the same size, also where a float would not be exact.
func TestSizesComeBack(t *testing.T) {
	for _, n := range []int64{0, 1, 1<<53 - 1, 1 << 53, 1<<53 + 1, 9_007_199_254_741_000, 1<<60 + 1<<10, 5e18, math.MaxInt64 - 1023,
		math.MaxInt64} {
		got, err := parseSize(sizeText(n))
		require.NoError(t, err, sizeText(n))
		require.Equal(t, n, got, sizeText(n))
	}
}

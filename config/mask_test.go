package config

import (
	"bytes"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMaskURL(t *testing.T) {
	schemes := []string{"amqp", "http", "https", "hardcoded", "radius", "ldap", "file", "exec", "users", "s3", "mysql",
		"redis"}
	tests := []struct{ in, want string }{
		{"", ""},
		{"amqp://guest:guest@localhost/", "amqp://guest:********@localhost/"},
		{"amqp://u:p@ss/w@rd@host:5672/v", "amqp://u:********@host:5672/v"},
		{"amqp://u:p?w#x@host/", "amqp://u:********@host/"},
		{"amqp://u:p@q?r@host/", "amqp://u:********@host/"},
		{"amqp://host:5672/v", "amqp://host:5672/v"},
		{"redis://:pw@host/0", "redis://:********@host/0"},
		{"http://token@host/x", "http://********@host/x"},
		{"https://host/x?a=b&api_key=c&Token=d", "https://host/x?a=b&api_key=********&Token=********"},
		{"hardcoded://a:b,c,d", "hardcoded://********"},
		{"radius://id:secret@h:1812?message-authenticator=optional",
			"radius://id:********@h:1812?message-authenticator=optional"},
		{"s3://access:secret@eu/bucket", "s3://access:********@eu/bucket"},
		{"mysql://u:p@h/db?password=x", "mysql://u:********@h/db?password=********"},
		{"ldap://h/ou=a@b", "ldap://h/ou=a@b"},
		{"file:///a:b@c", "file:///a:b@c"},
		{"hardcode://a:b", "hardcode://********"},
		{"amqp:u:p@host", "********"},
		{"u:p@tcp(host)/db", "********"},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) { require.Equal(t, test.want, maskURL(test.in, schemes)) })
	}
	require.Equal(t, "amqp://a:********@h1/,amqp://c:********@h2;h3",
		maskURLs("amqp://a:b,x@h1/, amqp://c:d@h2;h3", schemes))
}

// TestSecretsStayHidden gives every key that can hold a secret one, in ways that are right and wrong, and looks for it
// wherever people look.
func TestSecretsStayHidden(t *testing.T) {
	const secret = "hunter2"
	texts := []string{
		"smtp-auth: hardcoded://user:" + secret, "smtp-auth: hardcode://user:" + secret,
		"smtp-auth: hardcoded:user:" + secret, "smtp-auth radius://id:" + secret + "@h:x",
		"smtp-username: u\nsmtp-password: " + secret, "smtp-password: " + secret, "smarthost-password: " + secret,
		"smtp-sink-password " + secret,
		"rabbitmq-address: amqp://u:" + secret + "@h/", "rabbitmq-address: amqp://u:" + secret + "@h:port/",
		"rabbitmq-address: amqp://h/,u:" + secret + "@h2/",
		"rabbitmq-address: http://u:" + secret + "@h/", "rabbitmq-address: u:" + secret + "@h/",
		"cluster-address=amqps://u:" + secret + "@h/",
		"redis-address: redis://:" + secret + "@h", "database-address: mysql://u:" + secret + "@h/db",
		"database-address: u:" + secret + "@tcp(h)/db",
		"storage-address: s3://access:" + secret + "@eu/b", "storage-address: mongodb://u:" + secret + "@h1;h2/rs/d/c",
		"proxy-server: socks://u:" + secret + "@h:1",
		"download-proxy: http://u:" + secret + "@", "webhook-url: https://" + secret + "@h/",
		"webhook-url: https://h/?token=" + secret, "webhook-secret: " + secret,
		"www-auth: hardcoded://a," + secret, "www-password: " + secret, "www-pasword: " + secret,
		"www-url: https://u:" + secret + "@h/", "license: " + secret,
	}
	for i, text := range texts {
		t.Run(strconv.Itoa(i), func(t *testing.T) { // the name is part of the file's
			cfg, report, err := load(t, base+text+"\n")
			var shown bytes.Buffer
			require.NoError(t, report.Write(&shown))
			fmt.Fprintf(&shown, "%v", err)
			for _, e := range Errors(err) {
				fmt.Fprintf(&shown, "%+v %v", *e, e.Err)
			}
			if cfg != nil {
				fmt.Fprintf(&shown, "%v %+v %#v %s", cfg, cfg, cfg, cfg)
				slog.New(slog.NewJSONHandler(&shown, nil)).Info("configuration", "config", cfg)
			}
			for line := range strings.Lines(shown.String()) {
				require.NotContains(t, line, secret, text)
			}
		})
	}
}

func TestConfigAsText(t *testing.T) {
	cfg, _ := mustLoad(t, base+"smtp-port: 26\nwww-password: hunter2\n")
	require.Equal(t, "smtp-port: 26; smtp-range: 127.0.0.0/8; www-password: ********", cfg.String())
}

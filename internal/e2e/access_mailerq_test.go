package e2e

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
)

// likeMailerQ is a configuration with every key of MailerQ's documentation of its SMTP server, in the forms it has there; paths,
// addresses and ports apart.
const likeMailerQ = `
smtp-ip:                127.0.0.1
smtp-port:              PORT1,PORT2-PORT2
smtp-secure-port:       PORT3
smtp-default-ips:       127.0.0.4;127.0.0.5
smtp-mappable-ips:      127.0.0.0/24;4.5.6.0/24
smtp-unmappable-ips:    127.0.0.28/32;127.0.0.5/32
smtp-certificate:       CERT
smtp-key:               KEY
smtp-ciphers:           !aNULL:!eNULL:!LOW:!SSLv2:!EXPORT:!EXPORT56:FIPS:MEDIUM:HIGH:@STRENGTH
smtp-range:             127.0.0.0/16;192.168.0.0/16;10.0.0.0/8
smtp-auth:              hardcoded://username:password,username2,password2
rabbitmq-inbox:         inbox
rabbitmq-outbox:        outbox
rabbitmq-local:         local
rabbitmq-reports:       reports
rabbitmq-refused:       refused
smtp-check:             spf,dkim,dmarc
smtp-auth-results:      local,nonlocal
smtp-extract:           true
smtp-proxy:             127.0.0.9
smtp-validate-address:  strict
smtp-connections:       100
smtp-connections-in:    50
smtp-connections-out:   75
smtp-maxsize:           100MB
smtp-threads:           1
smtp-timeout:           300
smtp-protection:        true
smtp-hostname:          smtp.example.com
`

// TestLikeMailerQ starts with a configuration as operators of MailerQ have it, and tries what it says.
func TestLikeMailerQ(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db, store.Local{Address: "*@here.test", Type: store.Wildcard, Enabled: true})
	insert(t, db, store.Block{Value: "127.0.0.66", Enabled: true})
	files := certificate(t)
	port1, port2, port3 := freePort(t), freePort(t), freePort(t)
	queue := t.TempDir() + "/queue"
	text := strings.NewReplacer("PORT1", port1, "PORT2", port2, "PORT3", port3, "CERT", files["smtp-certificate"], "KEY", files["smtp-key"]).Replace(likeMailerQ)
	file := writeFile(t, "config.txt", text+"queue-address: disk://"+queue+"\n"+set.text())
	d := &daemon{process: run(t, nil, "--config-file", file), addr: "127.0.0.1:" + port1, queue: queue}
	require.True(t, d.waitLog("127.0.0.1:"+port3), d.log.String())
	require.NotContains(t, d.log.String(), "level=ERROR")

	for _, port := range []string{port1, port2} {
		c := connect(t, "127.0.0.1", "127.0.0.1:"+port)
		require.Contains(t, c.expect(220), "smtp.example.com")
		require.Contains(t, c.command("EHLO client.test", 250), "SIZE 100000000")
		c.starttls()
		c.login("username", "password", 235)
		c.command("MAIL FROM:<a@client.test>", 250)
		c.command("RCPT TO:<b@sink.test>", 250)
		c.command("RCPT TO:<b@here.test>", 250)
		c.text("x-mq-tags: mailerq\r\n"+letters, 250)
		c.command("QUIT", 221)
	}
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port3, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c := newClient(t, conn)
	c.greeted()
	c.login("username2", "password2", 235)
	c.mail("a@client.test", "c@sink.test", letters, 250)
	c.command("QUIT", 221)

	d.talk(t).mail("a@client.test", "refused@sink.test", letters, 530)
	c = d.talk(t)
	c.mail("", "report@here.test", eml(t, "dsn-bounce"), 250)
	c.command("MAIL FROM:<no address>", 501)
	c.command("QUIT", 221)
	connect(t, "127.0.0.66", d.addr).refused(554, "5.7.1")
	connect(t, "127.1.0.1", d.addr).refused(554, "5.7.1")
	d.proxied(t, "10.1.2.3").expect(220)
	d.proxied(t, "11.1.2.3").refused(554, "5.7.1")

	q := d.stopped(t)
	require.Equal(t, map[string]int{"inbox": 3, "local": 2, "reports": 1, "refused": 1}, occupied(t, q))
	for _, m := range stored(t, q, "inbox", 3) {
		require.Equal(t, []string{"127.0.0.1"}, m.IPs, "where the client had connected to")
	}
}

// TestSourceAddress has mail leave from the address that the client had connected to, where that is mappable, or from the
// default ones, or from where the mail itself says.
func TestSourceAddress(t *testing.T) {
	t.Parallel()
	d := start(t, kept.with(settings{"smtp-ip": "127.0.0.1,127.0.0.2,127.0.0.28", "smtp-mappable-ips": "127.0.0.2/31;127.0.0.28",
		"smtp-unmappable-ips": "127.0.0.28/32", "smtp-default-ips": "127.0.0.4; 127.0.0.5"}))
	send := func(ip, recipient, header string) {
		c := dial(t, ip+":"+d.settings["smtp-port"])
		c.expect(220)
		c.mail("a@client.test", recipient, header+letters, 250)
		c.command("QUIT", 221)
	}
	send("127.0.0.1", "default@sink.test", "")
	send("127.0.0.2", "mapped@sink.test", "")
	send("127.0.0.28", "unmappable@sink.test", "")
	send("127.0.0.2", "header@sink.test", "x-mq-ip: 127.0.0.77\r\n")
	d.rewrite(t, settings{"smtp-unmappable-ips": "127.0.0.2"})
	d.reload(t)
	send("127.0.0.28", "reloaded@sink.test", "")
	got := map[string][]string{}
	for _, m := range stored(t, d.stopped(t), "inbox", 5) {
		got[m.Recipient] = m.IPs
	}
	require.Equal(t, map[string][]string{
		"default@sink.test":    {"127.0.0.4", "127.0.0.5"},
		"mapped@sink.test":     {"127.0.0.2"},
		"unmappable@sink.test": {"127.0.0.4", "127.0.0.5"},
		"header@sink.test":     {"127.0.0.77"},
		"reloaded@sink.test":   {"127.0.0.28"},
	}, got)
}

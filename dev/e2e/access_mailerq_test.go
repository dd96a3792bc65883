package e2e

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
)

// likeMailerQ is a configuration with every key of MailerQ's documentation of its SMTP server, in the forms it has
// there; paths, addresses and ports apart.
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
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.Local{Address: "*@here.test", Type: store.Wildcard, Enabled: true})
	mtatest.Insert(t, db, store.Block{Value: "127.0.0.66", Enabled: true})
	files := mtatest.Certificate(t)
	port1, port2, port3 := mtatest.FreePort(t), mtatest.FreePort(t), mtatest.FreePort(t)
	queue := t.TempDir() + "/queue"
	text := strings.NewReplacer("PORT1", port1, "PORT2", port2, "PORT3", port3, "CERT", files["smtp-certificate"], "KEY",
		files["smtp-key"]).Replace(likeMailerQ)
	file := writeFile(t, "config.txt", text+"queue-address: disk://"+queue+"\n"+set.Text())
	d := &mtatest.Daemon{Process: mtatest.Run(t, nil, "--config-file", file), Addr: "127.0.0.1:" + port1, Queue: queue}
	require.True(t, d.WaitLog("127.0.0.1:"+port3), d.Log.String())
	require.NotContains(t, d.Log.String(), "level=ERROR")

	for _, port := range []string{port1, port2} {
		c := mtatest.Connect(t, "127.0.0.1", "127.0.0.1:"+port)
		require.Contains(t, c.Expect(220), "smtp.example.com")
		require.Contains(t, c.Command("EHLO client.test", 250), "SIZE 100000000")
		c.StartTLS()
		c.Login("username", "password", 235)
		c.Command("MAIL FROM:<a@client.test>", 250)
		c.Command("RCPT TO:<b@sink.test>", 250)
		c.Command("RCPT TO:<b@here.test>", 250)
		c.Text("x-mq-tags: mailerq\r\n"+mtatest.Letters, 250)
		c.Command("QUIT", 221)
	}
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port3, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c := mtatest.NewClient(t, conn)
	c.Greeted()
	c.Login("username2", "password2", 235)
	c.Mail("a@client.test", "c@sink.test", mtatest.Letters, 250)
	c.Command("QUIT", 221)

	d.Talk(t).Mail("a@client.test", "refused@sink.test", mtatest.Letters, 530)
	c = d.Talk(t)
	c.Mail("", "report@here.test", eml(t, "dsn-bounce"), 250)
	c.Command("MAIL FROM:<no address>", 501)
	c.Command("QUIT", 221)
	mtatest.Connect(t, "127.0.0.66", d.Addr).Refused(554, "5.7.1")
	mtatest.Connect(t, "127.1.0.1", d.Addr).Refused(554, "5.7.1")
	d.Proxied(t, "10.1.2.3").Expect(220)
	d.Proxied(t, "11.1.2.3").Refused(554, "5.7.1")

	q := d.Stopped(t)
	require.Equal(t, map[string]int{"inbox": 3, "local": 2, "reports": 1, "refused": 1}, mtatest.Occupied(t, q))
	for _, m := range mtatest.Stored(t, q, "inbox", 3) {
		require.Equal(t, []string{"127.0.0.1"}, m.IPs, "where the client had connected to")
	}
}

// TestSourceAddress has mail leave from the address that the client had connected to, where that is mappable, or from
// the default ones, or from where the mail itself says.
func TestSourceAddress(t *testing.T) {
	t.Parallel()
	d := mtatest.Inside(t, mtatest.Kept.With(mtatest.Settings{"smtp-ip": "127.0.0.1,127.0.0.2,127.0.0.28",
		"smtp-mappable-ips":   "127.0.0.2/31;127.0.0.28",
		"smtp-unmappable-ips": "127.0.0.28/32", "smtp-default-ips": "127.0.0.4; 127.0.0.5"}))
	send := func(ip, recipient, header string) {
		c := mtatest.Dial(t, ip+":"+d.Settings["smtp-port"])
		c.Expect(220)
		c.Mail("a@client.test", recipient, header+mtatest.Letters, 250)
		c.Command("QUIT", 221)
	}
	send("127.0.0.1", "default@sink.test", "")
	send("127.0.0.2", "mapped@sink.test", "")
	send("127.0.0.28", "unmappable@sink.test", "")
	send("127.0.0.2", "header@sink.test", "x-mq-ip: 127.0.0.77\r\n")
	d.Rewrite(t, mtatest.Settings{"smtp-unmappable-ips": "127.0.0.2"})
	d.Reload(t)
	send("127.0.0.28", "reloaded@sink.test", "")
	got := map[string][]string{}
	for _, m := range mtatest.Stored(t, d.Stopped(t), "inbox", 5) {
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

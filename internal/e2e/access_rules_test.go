package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestBlockedClients refuses clients and senders on the block list, each in the words of its row, until protection is
// switched off.
func TestBlockedClients(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db,
		store.Block{Value: "127.0.0.66", Enabled: true},
		store.Block{Value: "127.0.0.67", Code: 421, Description: "Come back tomorrow", Enabled: true},
		store.Block{Value: "127.0.1.0/24", Code: 550, Description: "Not from this network", Enabled: true},
		store.Block{Value: "127.0.0.68"},
		store.Block{Value: "bad@sender.test", Code: 552, Description: "You again", Enabled: true},
		store.Block{Value: "spam.test", Enabled: true},
	)
	d := start(t, nowhere.with(set))
	connect(t, "127.0.0.66", d.addr).refused(554, "5.7.1")
	connect(t, "127.0.0.67", d.addr).refused(421, "Come back tomorrow")
	connect(t, "127.0.1.200", d.addr).refused(550, "Not from this network")
	connect(t, "127.0.0.68", d.addr).expect(220)

	c := connect(t, "127.0.0.1", d.addr)
	c.greeted()
	require.Contains(t, c.command("MAIL FROM:<Bad@Sender.test>", 552), "You again")
	c.command("MAIL FROM:<anybody@spam.test>", 554)
	c.command("MAIL FROM:<good@sender.test>", 250)

	d.rewrite(t, settings{"smtp-protection": "false"})
	d.reload(t)
	c = connect(t, "127.0.0.66", d.addr)
	c.greeted()
	c.command("MAIL FROM:<anybody@spam.test>", 250)
}

// TestRange lets in who is in the range, which may change while mtad runs. Without one that is nobody.
func TestRange(t *testing.T) {
	t.Parallel()
	d := start(t, nowhere.with(settings{"smtp-range": "127.0.0.2;127.0.3.0/24"}))
	connect(t, "127.0.0.1", d.addr).refused(554, "5.7.1")
	connect(t, "127.0.0.2", d.addr).expect(220)
	connect(t, "127.0.3.77", d.addr).expect(220)
	d.rewrite(t, settings{"smtp-range": "127.0.0.1"})
	d.reload(t)
	connect(t, "127.0.0.1", d.addr).expect(220)
	connect(t, "127.0.0.2", d.addr).refused(554, "5.7.1")

	d.rewrite(t, settings{"smtp-range": ""})
	d.reload(t)
	connect(t, "127.0.0.1", d.addr).refused(554, "5.7.1")
	d.terminate(t)
	d = d.again(t)
	require.Contains(t, d.log.String(), "smtp-range names nobody")
	connect(t, "127.0.0.1", d.addr).refused(554, "5.7.1")
}

// TestRangeOfBothFamilies listens on every address, where clients of IPv4 come in as IPv6 as well: ranges and the block list
// mean the same clients as ever.
func TestRangeOfBothFamilies(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db, store.Block{Value: "127.0.0.66", Enabled: true})
	insert(t, db, store.MTAName{LocalIP: "127.0.0.1", Name: "four.mta.test"}, store.MTAName{LocalIP: "::1", Name: "six.mta.test"})
	d := start(t, nowhere.with(set).with(settings{"smtp-ip": "", "smtp-range": "127.0.0.0/24;::1"}))
	require.Equal(t, "four.mta.test", d.greeting(t))
	connect(t, "127.0.0.66", d.addr).refused(554, "5.7.1")
	connect(t, "127.0.1.1", d.addr).refused(554, "5.7.1")
	if l, err := listenTCP("[::1]:0"); err == nil {
		l.Close()
		d.addr = "[::1]:" + d.settings["smtp-port"]
		require.Equal(t, "six.mta.test", d.greeting(t))
	}
}

// TestHAProxy has HAProxy pass on clients, with headers of both versions and with TLVs: range, log and message see the
// client's address.
func TestHAProxy(t *testing.T) {
	testserver.Need(t, "haproxy")
	t.Parallel()
	log := filepath.Join(t.TempDir(), "received.json")
	k := newKeeper(t, &smtptest.Sink{})
	d := start(t, k.settings().with(settings{"smtp-range": "127.0.0.77", "smtp-proxy": "127.0.0.1", "received-bin-log-file": log}))
	fronts := testserver.HAProxy(t, d.addr)
	for i, front := range []string{fronts.V1, fronts.V2, fronts.V2TLV} {
		c := connect(t, "127.0.0.77", front)
		c.expect(220)
		c.mail("a@client.test", "b@sink.test", letters, 250)
		require.Contains(t, string(k.await(t, i+1)[i].Data), "[127.0.0.77]")
		connect(t, "127.0.0.78", front).refused(554, "5.7.1")
	}
	eventually(t, "three mails are logged", func() bool { return len(lines(t, log)) == 3 })
	for _, line := range lines(t, log) {
		var m struct{ Connection map[string]any }
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		require.Equal(t, "127.0.0.77", m.Connection["remote-ip"])
	}
}

// TestProxyHeaders sends what is no header from a proxy, a header from who is none, and the header of a health check.
func TestProxyHeaders(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "received.json")
	d := start(t, nowhere.with(settings{"smtp-proxy": "127.0.0.9/32", "received-bin-log-file": log}))
	silent := connect(t, proxyAddress, d.addr)
	for _, header := range []string{"EHLO client.test\r\n", "PROXY TCP4 none 127.0.0.1 1 2\r\n", "PROXY " + strings.Repeat("x", 200), "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c1234"} {
		c := connect(t, proxyAddress, d.addr)
		c.raw(header)
		_, text, err := c.read()
		require.Error(t, err, "header %q", header)
		require.Empty(t, text, "header %q", header)
	}
	c := connect(t, "127.0.0.77", d.addr)
	c.raw("PROXY TCP4 127.0.0.1 127.0.0.1 40000 25\r\n")
	c.expect(220)
	c.expect(554)

	probe := connect(t, proxyAddress, d.addr)
	probe.raw("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00") // LOCAL
	probe.greeted()
	probe.say("MAIL FROM:<a@client.test>")
	code, _ := probe.reply()
	require.NotEqual(t, 250, code, "mail of a health check")
	require.Empty(t, lines(t, log))

	_, _, err := silent.read() // for five seconds
	require.Error(t, err)
}

// TestLoginToRelay asks for a login before mail to strangers, and offers it where a password is safe.
func TestLoginToRelay(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, &smtptest.Sink{})
	d := start(t, k.settings().with(loginSettings(t, "hardcoded://joe:geheim,ann,sesam")).with(settings{
		"smtp-range": "0.0.0.0/0", "smtp-proxy": proxyAddress, "default-domain": "default.test"}))
	c := d.proxied(t, "203.0.113.5")
	require.False(t, offers(c.greeted(), "AUTH"), "in the clear, to a client far away")
	c.command("MAIL FROM:<joe>", 250)
	require.Contains(t, c.command("RCPT TO:<b@sink.test>", 550), "5.7.1")
	require.NotEqual(t, "2", c.anyReply(plain("joe", "geheim"))[:1])
	c.command("QUIT", 221)

	c = d.proxied(t, "203.0.113.5")
	c.greeted()
	require.True(t, offers(c.starttls(), "AUTH PLAIN LOGIN"))
	c.command("MAIL FROM:<joe>", 250)
	require.Contains(t, c.command("RCPT TO:<b@sink.test>", 530), "5.7.0")
	c.command("RSET", 250)
	require.Contains(t, c.login("joe", "wrong", 535), "5.7.8")
	c.login("joe", "geheim", 235)
	c.command("MAIL FROM:<joe>", 250)
	c.command("RCPT TO:<b>", 250)
	c.command("RCPT TO:<b@sink.test>", 250)
	c.text(letters, 250)
	for _, m := range k.await(t, 2) {
		require.Equal(t, "joe@default.test", m.From)
		require.Contains(t, string(m.Data), "with ESMTPSA")
	}
	require.ElementsMatch(t, []string{"b@default.test", "b@sink.test"}, k.recipients())

	c = d.talk(t)
	require.True(t, offers(c.command("EHLO client.test", 250), "AUTH"), "to loopback, in the clear")
	c.login("ann", "sesam", 235)
	d.terminate(t)
}

// anyReply sends a command and returns the reply.
func (c *client) anyReply(line string) string {
	c.t.Helper()
	c.say(line)
	_, text := c.reply()
	return text
}

// TestLocalAddresses accepts mail to local addresses, told by patterns of every type, without a login. Of a mail to both
// kinds each recipient goes to its own queue.
func TestLocalAddresses(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db,
		store.Local{Address: "exact@here.test", Type: store.Exact, Enabled: true},
		store.Local{Address: `^r[0-9]+@here\.test$`, Type: store.Regex, Enabled: true},
		store.Local{Address: "*@wild.test", Type: store.Wildcard, Enabled: true},
		store.Local{Address: "sub.string", Type: store.Contains, Enabled: true},
		store.Local{Address: "off@here.test", Type: store.Exact},
	)
	d := start(t, nowhere.with(set).with(settings{"smtp-auth": "hardcoded://joe:geheim", "rabbitmq-local": "local", "default-domain": "here.test"}))
	c := d.talk(t)
	c.command("EHLO client.test", 250)
	c.command("MAIL FROM:<a@client.test>", 250)
	local := []string{"Exact@HERE.test", "r17@here.test", "any@wild.test", "x@sub.string.test", "exact"}
	for _, address := range local {
		c.command("RCPT TO:<"+address+">", 250)
	}
	for _, address := range []string{"exact@here.test.org", "r17x@here.test", "any@sub.wild.test", "off@here.test", "b@sink.test"} {
		c.command("RCPT TO:<"+address+">", 530)
	}
	require.Equal(t, 1+len(local), strings.Count(c.text(letters, 250), "\r\n"), "a line for each")

	c.login("joe", "geheim", 235)
	c.command("MAIL FROM:<a@client.test>", 250)
	for _, address := range []string{"exact@here.test", "b@sink.test", "any@wild.test", "off@here.test"} {
		c.command("RCPT TO:<"+address+">", 250)
	}
	c.text(letters, 250)
	c.command("QUIT", 221)
	require.Equal(t, map[string]int{"local": len(local) + 2, "outbox": 2}, occupied(t, d.stopped(t)))
}

// TestReportsQueue has local mail that is a report of any kind go to a queue of its own, and no other mail.
func TestReportsQueue(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db, store.Local{Address: "*@here.test", Type: store.Wildcard, Enabled: true})
	d := start(t, nowhere.with(set).with(settings{"rabbitmq-local": "local", "rabbitmq-reports": "reports"}))
	reports := []string{"dsn-bounce", "mdn-read", "arf-abuse", "dmarc-gzip", "tlsrpt-gzip"}
	for _, name := range append(reports, "none-text", "none-forwarded-bounce") {
		d.submit(t, "", name+"@here.test", eml(t, name))
	}
	d.submit(t, "", "bounced@sink.test", eml(t, "dsn-bounce"))
	q := d.stopped(t)
	require.Equal(t, map[string]int{"local": 2, "reports": len(reports), "outbox": 1}, occupied(t, q))
	var got []string
	for _, m := range stored(t, q, "reports", len(reports)) {
		got = append(got, strings.TrimSuffix(m.Recipient, "@here.test"))
	}
	require.ElementsMatch(t, reports, got)
}

// eml reads a mail of the recogniser's tests as it goes over the wire.
func eml(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "checks", "report", "testdata", name+".eml"))
	require.NoError(t, err)
	crlf := strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n", "\r\n")
	return strings.ReplaceAll(crlf, "\r\n.", "\r\n..")
}

// TestRefusedQueue keeps mail that lacked a login, while the client is refused after it.
func TestRefusedQueue(t *testing.T) {
	t.Parallel()
	d := start(t, nowhere.with(settings{"smtp-auth": "hardcoded://joe:geheim", "rabbitmq-refused": "refused"}))
	d.talk(t).mail("a@client.test", "b@sink.test", letters, 530)
	q := d.stopped(t)
	require.Equal(t, map[string]int{"refused": 1}, occupied(t, q))
	require.Equal(t, "b@sink.test", stored(t, q, "refused", 1)[0].Recipient)
}

// TestNothingRefusedIsKept refuses at once when there is no queue for such mail.
func TestNothingRefusedIsKept(t *testing.T) {
	t.Parallel()
	d := start(t, nowhere.with(settings{"smtp-auth": "hardcoded://joe:geheim"}))
	require.Contains(t, d.log.String(), "smtp-auth without smtp-certificate")
	c := d.talk(t)
	c.command("EHLO client.test", 250)
	c.command("MAIL FROM:<a@client.test>", 250)
	c.command("RCPT TO:<b@sink.test>", 530)
	c.command("DATA", 503)
	c.command("QUIT", 221)
	require.Empty(t, occupied(t, d.stopped(t)))
}

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestBlockedClients refuses clients and senders on the block list, each in the words of its row, until protection is
// switched off.
func TestBlockedClients(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db,
		store.Block{Value: "127.0.0.66", Enabled: true},
		store.Block{Value: "127.0.0.67", Code: 421, Description: "Come back tomorrow", Enabled: true},
		store.Block{Value: "127.0.1.0/24", Code: 550, Description: "Not from this network", Enabled: true},
		store.Block{Value: "127.0.0.68"},
		store.Block{Value: "bad@sender.test", Code: 552, Description: "You again", Enabled: true},
		store.Block{Value: "spam.test", Enabled: true},
	)
	d := mtatest.Inside(t, mtatest.Nowhere.With(set))
	mtatest.Connect(t, "127.0.0.66", d.Addr).Refused(554, "5.7.1")
	mtatest.Connect(t, "127.0.0.67", d.Addr).Refused(421, "Come back tomorrow")
	mtatest.Connect(t, "127.0.1.200", d.Addr).Refused(550, "Not from this network")
	mtatest.Connect(t, "127.0.0.68", d.Addr).Expect(220)

	c := mtatest.Connect(t, "127.0.0.1", d.Addr)
	c.Greeted()
	require.Contains(t, c.Command("MAIL FROM:<Bad@Sender.test>", 552), "You again")
	c.Command("MAIL FROM:<anybody@spam.test>", 554)
	c.Command("MAIL FROM:<good@sender.test>", 250)

	d.Rewrite(t, mtatest.Settings{"smtp-protection": "false"})
	d.Reload(t)
	c = mtatest.Connect(t, "127.0.0.66", d.Addr)
	c.Greeted()
	c.Command("MAIL FROM:<anybody@spam.test>", 250)
}

// TestRange lets in who is in the range, which may change while mtad runs. Without one that is nobody.
func TestRange(t *testing.T) {
	t.Parallel()
	d := mtatest.Inside(t, mtatest.Nowhere.With(mtatest.Settings{"smtp-range": "127.0.0.2;127.0.3.0/24"}))
	mtatest.Connect(t, "127.0.0.1", d.Addr).Refused(554, "5.7.1")
	mtatest.Connect(t, "127.0.0.2", d.Addr).Expect(220)
	mtatest.Connect(t, "127.0.3.77", d.Addr).Expect(220)
	d.Rewrite(t, mtatest.Settings{"smtp-range": "127.0.0.1"})
	d.Reload(t)
	mtatest.Connect(t, "127.0.0.1", d.Addr).Expect(220)
	mtatest.Connect(t, "127.0.0.2", d.Addr).Refused(554, "5.7.1")

	d.Rewrite(t, mtatest.Settings{"smtp-range": ""})
	d.Reload(t)
	mtatest.Connect(t, "127.0.0.1", d.Addr).Refused(554, "5.7.1")
	d.Terminate(t)
	d = d.Again(t)
	require.Contains(t, d.Log.String(), "smtp-range names nobody")
	mtatest.Connect(t, "127.0.0.1", d.Addr).Refused(554, "5.7.1")
}

// TestRangeOfBothFamilies listens on every address, where clients of IPv4 come in as IPv6 as well: ranges and the block
// list mean the same clients as ever.
func TestRangeOfBothFamilies(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.Block{Value: "127.0.0.66", Enabled: true})
	mtatest.Insert(t, db, store.MTAName{LocalIP: "127.0.0.1", Name: "four.mta.test"},
		store.MTAName{LocalIP: "::1", Name: "six.mta.test"})
	d := mtatest.Inside(t, mtatest.Nowhere.With(set).With(mtatest.Settings{"smtp-ip": "",
		"smtp-range": "127.0.0.0/24;::1"}))
	require.Equal(t, "four.mta.test", greeting(t, d))
	mtatest.Connect(t, "127.0.0.66", d.Addr).Refused(554, "5.7.1")
	mtatest.Connect(t, "127.0.1.1", d.Addr).Refused(554, "5.7.1")
	if l, err := mtatest.ListenTCP("[::1]:0"); err == nil {
		l.Close()
		d.Addr = "[::1]:" + d.Settings["smtp-port"]
		require.Equal(t, "six.mta.test", greeting(t, d))
	}
}

// TestHAProxy has HAProxy pass on clients, with headers of both versions and with TLVs: range, log and message see the
// client's address.
func TestHAProxy(t *testing.T) {
	testserver.Need(t, "haproxy")
	t.Parallel()
	log := filepath.Join(t.TempDir(), "received.json")
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(mtatest.Settings{"smtp-range": "127.0.0.77", "smtp-proxy": "127.0.0.1",
		"received-bin-log-file": log}))
	fronts := testserver.HAProxy(t, d.Addr)
	for i, front := range []string{fronts.V1, fronts.V2, fronts.V2TLV} {
		c := mtatest.Connect(t, "127.0.0.77", front)
		c.Expect(220)
		c.Mail("a@client.test", "b@sink.test", mtatest.Letters, 250)
		require.Contains(t, string(k.Await(t, i+1)[i].Data), "[127.0.0.77]")
		mtatest.Connect(t, "127.0.0.78", front).Refused(554, "5.7.1")
	}
	mtatest.Eventually(t, "three mails are logged", func() bool { return len(mtatest.Lines(t, log)) == 3 })
	for _, line := range mtatest.Lines(t, log) {
		var m struct{ Connection map[string]any }
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		require.Equal(t, "127.0.0.77", m.Connection["remote-ip"])
	}
}

// TestProxyHeaders sends what is no header from a proxy, a header from who is none, and the header of a health check.
func TestProxyHeaders(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "received.json")
	d := mtatest.Inside(t, mtatest.Nowhere.With(mtatest.Settings{"smtp-proxy": "127.0.0.9/32",
		"received-bin-log-file": log}))
	silent := mtatest.Connect(t, mtatest.ProxyAddress, d.Addr)
	for _, header := range []string{"EHLO client.test\r\n", "PROXY TCP4 none 127.0.0.1 1 2\r\n",
		"PROXY " + strings.Repeat("x", 200), "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c1234"} {
		c := mtatest.Connect(t, mtatest.ProxyAddress, d.Addr)
		c.Raw(header)
		_, text, err := c.Read()
		require.Error(t, err, "header %q", header)
		require.Empty(t, text, "header %q", header)
	}
	c := mtatest.Connect(t, "127.0.0.77", d.Addr)
	c.Raw("PROXY TCP4 127.0.0.1 127.0.0.1 40000 25\r\n")
	c.Expect(220)
	c.Expect(554)

	probe := mtatest.Connect(t, mtatest.ProxyAddress, d.Addr)
	probe.Raw("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00") // LOCAL
	probe.Greeted()
	probe.Say("MAIL FROM:<a@client.test>")
	code, _ := probe.Reply()
	require.NotEqual(t, 250, code, "mail of a health check")
	require.Empty(t, mtatest.Lines(t, log))

	_, _, err := silent.Read() // for five seconds
	require.Error(t, err)
}

// TestLoginToRelay asks for a login before mail to strangers, and offers it where a password is safe.
func TestLoginToRelay(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(mtatest.LoginSettings(t,
		"hardcoded://joe:geheim,ann,sesam")).With(mtatest.Settings{
		"smtp-range": "0.0.0.0/0", "smtp-proxy": mtatest.ProxyAddress, "default-domain": "default.test"}))
	c := d.Proxied(t, "203.0.113.5")
	require.False(t, mtatest.Offers(c.Greeted(), "AUTH"), "in the clear, to a client far away")
	c.Command("MAIL FROM:<joe>", 250)
	require.Contains(t, c.Command("RCPT TO:<b@sink.test>", 530), "STARTTLS")
	require.NotEqual(t, "2", anyReply(c, mtatest.Plain("joe", "geheim"))[:1])
	c.Command("QUIT", 221)

	c = d.Proxied(t, "203.0.113.5")
	c.Greeted()
	require.True(t, mtatest.Offers(c.StartTLS(), "AUTH PLAIN LOGIN"))
	c.Command("MAIL FROM:<joe>", 250)
	require.Contains(t, c.Command("RCPT TO:<b@sink.test>", 530), "5.7.0")
	c.Command("RSET", 250)
	require.Contains(t, c.Login("joe", "wrong", 535), "5.7.8")
	c.Login("joe", "geheim", 235)
	c.Command("MAIL FROM:<joe>", 250)
	c.Command("RCPT TO:<b>", 250)
	c.Command("RCPT TO:<b@sink.test>", 250)
	c.Text(mtatest.Letters, 250)
	for _, m := range k.Await(t, 2) {
		require.Equal(t, "joe@default.test", m.From)
		require.Contains(t, string(m.Data), "with ESMTPSA")
	}
	require.ElementsMatch(t, []string{"b@default.test", "b@sink.test"}, k.Recipients())

	c = d.Talk(t)
	require.True(t, mtatest.Offers(c.Command("EHLO client.test", 250), "AUTH"), "to loopback, in the clear")
	c.Login("ann", "sesam", 235)
	d.Terminate(t)
}

// anyReply sends a command and returns the reply.
func anyReply(c *mtatest.Client, line string) string {
	c.T.Helper()
	c.Say(line)
	_, text := c.Reply()
	return text
}

// TestLocalAddresses accepts mail to local addresses, told by patterns of every type, without a login. Of a mail to
// both kinds each recipient goes to its own queue.
func TestLocalAddresses(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db,
		store.Local{Address: "exact@here.test", Type: store.Exact, Enabled: true},
		store.Local{Address: `^r[0-9]+@here\.test$`, Type: store.Regex, Enabled: true},
		store.Local{Address: "*@wild.test", Type: store.Wildcard, Enabled: true},
		store.Local{Address: "sub.string", Type: store.Contains, Enabled: true},
		store.Local{Address: "off@here.test", Type: store.Exact},
	)
	d := mtatest.Inside(t, mtatest.Nowhere.With(set).With(mtatest.Settings{"smtp-auth": "hardcoded://joe:geheim",
		"rabbitmq-local": "local", "default-domain": "here.test"}))
	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	c.Command("MAIL FROM:<a@client.test>", 250)
	local := []string{"Exact@HERE.test", "r17@here.test", "any@wild.test", "x@sub.string.test", "exact"}
	for _, address := range local {
		c.Command("RCPT TO:<"+address+">", 250)
	}
	for _, address := range []string{"exact@here.test.org", "r17x@here.test", "any@sub.wild.test", "off@here.test",
		"b@sink.test"} {
		c.Command("RCPT TO:<"+address+">", 530)
	}
	require.Equal(t, 1+len(local), strings.Count(c.Text(mtatest.Letters, 250), "\r\n"), "a line for each")

	c.Login("joe", "geheim", 235)
	c.Command("MAIL FROM:<a@client.test>", 250)
	for _, address := range []string{"exact@here.test", "b@sink.test", "any@wild.test", "off@here.test"} {
		c.Command("RCPT TO:<"+address+">", 250)
	}
	c.Text(mtatest.Letters, 250)
	c.Command("QUIT", 221)
	require.Equal(t, map[string]int{"local": len(local) + 2, "outbox": 2}, mtatest.Occupied(t, d.Stopped(t)))
}

// TestReportsQueue has local mail that is a report of any kind go to a queue of its own, and no other mail.
func TestReportsQueue(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.Local{Address: "*@here.test", Type: store.Wildcard, Enabled: true})
	d := mtatest.Inside(t, mtatest.Nowhere.With(set).With(mtatest.Settings{"rabbitmq-local": "local",
		"rabbitmq-reports": "reports", "rabbitmq-feedback": ""}))
	reports := []string{"dsn-bounce", "mdn-read", "arf-abuse", "dmarc-gzip", "tlsrpt-gzip"}
	for _, name := range append(reports, "none-text", "none-forwarded-bounce") {
		d.Submit(t, "", name+"@here.test", eml(t, name))
	}
	d.Submit(t, "", "bounced@sink.test", eml(t, "dsn-bounce"))
	q := d.Stopped(t)
	require.Equal(t, map[string]int{"local": 2, "reports": len(reports), "outbox": 1}, mtatest.Occupied(t, q))
	var got []string
	for _, m := range mtatest.Stored(t, q, "reports", len(reports)) {
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
	d := mtatest.Inside(t, mtatest.Nowhere.With(mtatest.Settings{"smtp-auth": "hardcoded://joe:geheim",
		"rabbitmq-refused": "refused"}))
	d.Talk(t).Mail("a@client.test", "b@sink.test", mtatest.Letters, 530)
	q := d.Stopped(t)
	require.Equal(t, map[string]int{"refused": 1}, mtatest.Occupied(t, q))
	require.Equal(t, "b@sink.test", mtatest.Stored(t, q, "refused", 1)[0].Recipient)
}

// TestNothingRefusedIsKept refuses at once when there is no queue for such mail.
func TestNothingRefusedIsKept(t *testing.T) {
	t.Parallel()
	d := mtatest.Inside(t, mtatest.Nowhere.With(mtatest.Settings{"smtp-auth": "hardcoded://joe:geheim"}))
	require.Contains(t, d.Log.String(), "smtp-auth without smtp-certificate")
	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	c.Command("MAIL FROM:<a@client.test>", 250)
	c.Command("RCPT TO:<b@sink.test>", 530)
	c.Command("DATA", 503)
	c.Command("QUIT", 221)
	require.Empty(t, mtatest.Occupied(t, d.Stopped(t)))
}

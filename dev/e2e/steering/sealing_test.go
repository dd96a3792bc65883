package steering

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// dkimpyChain seals a mail, if told so, and says what it makes of the chain, and who sealed, from the newest on.
const dkimpyChain = `
import dkim, json, sys
dir, name = sys.argv[1], sys.argv[2]
def txt(name, timeout=5):
    return open(dir + "/" + name.decode().rstrip("."), "rb").read()
mail = sys.stdin.buffer.read()
if name:
    key = open(dir + "/" + name + ".pem", "rb").read()
    found = sys.argv[3].encode()
    mail = b"Authentication-Results: " + name.encode() + b"; arc=" + found + b"\r\n" + mail
    mail = b"".join(dkim.arc_sign(mail, b"r", name.encode(), key, name.encode())) + mail
cv, sets, reason = dkim.arc_verify(mail, dnsfunc=txt)
print(json.dumps({"CV": (cv or b"ended").decode(), "Reason": reason, "Sealers": [s["as-domain"].decode() for s in sets if "as-domain" in s],
    "Mail": mail.decode()}))
`

// verdict is what dkimpy makes of a chain.
type verdict struct {
	CV      string
	Reason  string
	Sealers []string
	Mail    string // with the seal that it made
}

// ring is a row of hosts that seal, and the keys of all.
type ring struct {
	t      *testing.T
	dir    string
	server string // of the DNS
	keys   map[string]string
}

func newRing(t *testing.T, domains ...string) *ring {
	testserver.Need(t, "arcverify")
	r := &ring{t: t, dir: t.TempDir(), keys: map[string]string{}}
	zone := ""
	for _, domain := range domains {
		private, records := keys(t)
		r.keys[domain] = private[0]
		half := len(records[0]) / 2
		zone += fmt.Sprintf("r._domainkey.%s. TXT \"%s\" \"%s\"\n", domain, records[0][:half], records[0][half:])
		require.NoError(t, os.WriteFile(filepath.Join(r.dir, "r._domainkey."+domain), []byte(records[0]), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(r.dir, domain+".pem"), []byte(private[0]), 0o600))
	}
	r.server = testserver.DNS(t, testserver.Zone(t, zone))
	return r
}

// host starts an MTA that looks at chains, seals for a domain, and sends on as set says.
func (r *ring) host(domain string, set mtatest.Settings) *mtatest.Daemon {
	database, db := mtatest.SQLite(r.t)
	mtatest.Insert(r.t, db, store.DKIMKey{ID: 1, Domain: domain, Selector: "r", PrivateKey: store.Secret(r.keys[domain]),
		Protocols: "arc", Enabled: true})
	mtatest.Insert(r.t, db, store.DKIMPattern{DKIMKey: 1, Type: store.Global})
	return mtatest.Inside(r.t, set.With(database).With(mtatest.Settings{"smtp-hostname": "mx." + domain,
		"dns-servers": r.server, "smtp-check": "arc"}))
}

// judge has dkimpy verify a mail. It seals it before for a domain, unless that is "", with what it is told of the
// chain.
func (r *ring) judge(mail, domain, found string) (v verdict) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "/usr/bin/python3", "-c", dkimpyChain, r.dir, domain, found)
	cmd.Stdin = strings.NewReader(mail)
	out, err := cmd.Output()
	require.NoError(r.t, err, "%s", out)
	require.NoError(r.t, json.Unmarshal(out, &v))
	return v
}

// results is the field with what the host that made a set had found of the chain.
func results(mail string, instance int) string {
	_, after, _ := strings.Cut(mail, fmt.Sprintf("ARC-Authentication-Results: i=%d;", instance))
	field, _, _ := strings.Cut(strings.ReplaceAll(after, "\r\n\t", " "), "\r\n")
	return field
}

// TestSealsOfARow has mail go through two MTAs, each of which looks at the chain it finds and seals, and another
// implementation before, between and behind them: all agree on whole chains and on broken ones, up to the longest.
func TestSealsOfARow(t *testing.T) {
	t.Parallel()
	r := newRing(t, "lists.test", "more.test", "first.test", "second.test")
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	second := r.host("second.test", k.Settings())
	_, port, _ := strings.Cut(second.Addr, ":")
	log, logging := mtatest.SendLog(t)
	first := r.host("first.test", logging.With(mtatest.Settings{"smtp-sink-address": "127.0.0.1", "smtp-sink-port": port}))
	passed := 0
	passes := func(mail string) string {
		first.Submit(t, "ann@client.test", "jo@sink.test", strings.TrimSuffix(mail, "\r\n"))
		passed++
		return string(k.Await(t, passed)[passed-1].Data)
	}
	const plain = "From: ann@client.test\r\nTo: jo@sink.test\r\nSubject: words\r\nDate: Tue, 1 Dec 2026 10:00:00 +0000\r\n" +
		"Message-ID: <1@client.test>\r\n\r\nText\r\n"
	good := func(mail string, sealers ...string) {
		t.Helper()
		v := r.judge(mail, "", "")
		require.Equal(t, "pass", v.CV, "%s\n%s", v.Reason, mail)
		require.Equal(t, sealers, v.Sealers)
	}

	mail := passes(plain)
	good(mail, "second.test", "first.test")
	require.Contains(t, results(mail, 1), "mx.first.test; arc=none")
	require.Contains(t, results(mail, 2), "mx.second.test; arc=pass")

	sealed := r.judge(plain, "lists.test", "none")
	require.Equal(t, "pass", sealed.CV)
	mail = passes(sealed.Mail)
	good(mail, "second.test", "first.test", "lists.test")
	require.Contains(t, results(mail, 2), "mx.first.test; arc=pass")
	require.Contains(t, results(mail, 3), "mx.second.test; arc=pass")
	sealed = r.judge(mail, "more.test", "pass")
	require.Equal(t, "pass", sealed.CV)
	good(passes(sealed.Mail), "second.test", "first.test", "more.test", "second.test", "first.test", "lists.test")

	broken := passes(mail + "An advertisement.\r\n")
	require.Equal(t, "ended", r.judge(broken, "", "").CV)
	require.Contains(t, results(broken, 4), "mx.first.test; arc=fail")
	require.Contains(t, broken, "ARC-Seal: i=4; a=rsa-sha256; cv=fail;")
	require.NotContains(t, broken, "i=5;", "a chain that says it is broken has ended")
	mtatest.Eventually(t, "the log says why", func() bool {
		return strings.Contains(strings.Join(mtatest.Lines(t, log), ""), "message signature 3: body was changed")
	})

	mail = plain
	for range 26 {
		mail = passes(mail)
	}
	v := r.judge(mail, "", "")
	require.Equal(t, "pass", v.CV, v.Reason)
	require.Len(t, v.Sealers, 50, "as many as there may be, and mail still goes")
	require.Equal(t, 52, strings.Count(mail, "Received: "), "hosts")
}

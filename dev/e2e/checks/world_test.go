package checks

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// Clients of the tests, who come through a proxy.
const (
	good   = "203.0.113.7" // may send for sender.test
	stray  = "203.0.113.8" // may not
	listed = "203.0.113.9" // neither, and is on the block list
)

const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

// signingKey is a key and the file that signers read it from.
type signingKey struct {
	file, record string
}

var newKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func key(t testing.TB) signingKey {
	t.Helper()
	k, err := newKey()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t,
		os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}),
			0o600))
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	require.NoError(t, err)
	return signingKey{file, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)}
}

// sign has another program put its fields in front of a mail.
func (k signingKey) sign(t testing.TB, mail, program string, args ...string) string {
	t.Helper()
	testserver.Need(t, program)
	cmd := exec.CommandContext(t.Context(), testserver.Find(program),
		append([]string{"sel", "sender.test", k.file}, args...)...)
	cmd.Stdin = strings.NewReader(mail)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	require.NoError(t, err, complaint.String())
	return strings.ReplaceAll(strings.ReplaceAll(string(out), "\r\n", "\n"), "\n", "\r\n")
}

// zone is the DNS of the tests.
func zone(k signingKey) map[string]string {
	var key strings.Builder
	for rest := k.record; rest != ""; {
		n := min(len(rest), 200)
		key.WriteString(` "` + rest[:n] + `"`)
		rest = rest[n:]
	}
	return map[string]string{"test": strings.Join([]string{
		`@ SOA ns.test. root.test. 1 60 60 60 60`,
		`@ NS ns.test.`,
		`ns A 127.0.0.1`,
		`sender A 203.0.113.7`,
		`sender TXT "v=spf1 ip4:203.0.113.7 -all"`,
		`client TXT "v=spf1 ip4:203.0.113.7 -all"`,
		`sel._domainkey.sender TXT` + key.String(),
		`_dmarc.sender TXT "v=DMARC1; p=reject"`,
		`lax A 203.0.113.7`,
		`lax TXT "v=spf1 ip4:203.0.113.7 ~all"`,
		`_dmarc.lax TXT "v=DMARC1; p=quarantine"`,
		`9.113.0.203.bl A 127.0.0.2`,
		`9.113.0.203.bl TXT "see https://bl.test/9"`,
	}, "\n")}
}

// names starts a name server with the zone.
func names(t testing.TB, k signingKey) mtatest.Settings {
	t.Helper()
	return mtatest.Settings{"dns-servers": testserver.Knot(t, zone(k)).Address, "dns-timeout": "5"}
}

// clients lets the clients of the tests in.
var clients = mtatest.Settings{"smtp-range": "203.0.113.0/24,127.0.0.0/8", "smtp-proxy": mtatest.ProxyAddress}

func scanners(t testing.TB) mtatest.Settings {
	t.Helper()
	_, port, _ := strings.Cut(testserver.Spamd(t), ":")
	return mtatest.Settings{"spamassassin-host": "127.0.0.1", "spamassassin-port": port,
		"clamav-address": "unix://" + testserver.Clamd(t).Unix}
}

// letter returns a mail of now: SpamAssassin does not like old ones.
func letter(from, subject, text string) string {
	return "From: <" + from + ">\r\nTo: <x@sink.test>\r\nSubject: " + subject + "\r\nDate: " +
		time.Now().UTC().Format(time.RFC1123Z) + "\r\nMessage-ID: <" +
		subject + "@sender.test>\r\n\r\n" + text + "\r\n"
}

// submit sends a mail as a client and expects a code.
func submit(t testing.TB, d *mtatest.Daemon, client, from, to, mail string, code int) string {
	t.Helper()
	c := d.Proxied(t, client)
	c.Expect(220)
	return c.Mail(from, to, strings.TrimSuffix(mail, "\r\n"), code)
}

// found are the objects of the property checks.
type found []map[string]any

func parse(t testing.TB, raw []json.RawMessage) found {
	t.Helper()
	text, err := json.Marshal(raw)
	require.NoError(t, err)
	var all found
	require.NoError(t, json.Unmarshal(text, &all))
	return all
}

// has reports whether one of the results has all members of an object in JSON.
func (f found) has(t testing.TB, want string) bool {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal([]byte(want), &members), want)
	for _, result := range f {
		n := 0
		for name, value := range members {
			if v, ok := result[name]; ok && v == value {
				n++
			}
		}
		if n == len(members) {
			return true
		}
	}
	return false
}

// requireAll requires each of several results.
func (f found) requireAll(t testing.TB, want ...string) {
	t.Helper()
	for _, w := range want {
		require.True(t, f.has(t, w), "no result has %s: %v", w, f)
	}
}

// record is what a test looks at of a line of a machine-readable log.
type record struct {
	Recipient string
	Checks    []json.RawMessage
}

// logged waits for the line of a recipient in a machine-readable log.
func logged(t testing.TB, file, recipient string) found {
	t.Helper()
	var r record
	mtatest.Eventually(t, "a line for "+recipient+" in "+filepath.Base(file), func() bool {
		for _, line := range mtatest.Lines(t, file) {
			var l record
			require.NoError(t, json.Unmarshal([]byte(line), &l))
			if l.Recipient == recipient {
				r = l
				return true
			}
		}
		return false
	})
	return parse(t, r.Checks)
}

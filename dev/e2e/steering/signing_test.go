package steering

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
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

func writeFile(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// dkimpy verifies as many signatures of a mail as it is told, with the keys in files named as their records are.
const dkimpy = `
import dkim, sys
def txt(name, timeout=5):
    return open(sys.argv[1] + "/" + name.decode().rstrip("."), "rb").read()
d = dkim.DKIM(open(sys.argv[2], "rb").read())
for i in range(int(sys.argv[3])):
    if not d.verify(idx=i, dnsfunc=txt):
        sys.exit("signature %d does not hold" % i)
`

// keys are the private halves of two keys as PEM, and the records of the public ones.
func keys(t testing.TB) (private, records [2]string) {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, e, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for i, k := range []any{r, e} {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		require.NoError(t, err)
		private[i] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	der, err := x509.MarshalPKIXPublicKey(&r.PublicKey)
	require.NoError(t, err)
	records[0] = "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	records[1] = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	return private, records
}

// TestSigning signs with the keys of the settings, RSA and Ed25519, and has another program verify. A key that depends
// on the DNS signs only because its record is there.
func TestSigning(t *testing.T) {
	t.Parallel()
	testserver.Need(t, "dkimverify")
	private, records := keys(t)
	dir := t.TempDir()
	for i, name := range []string{"r._domainkey.sender.test", "e._domainkey.sender.test"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(records[i]), 0o600))
	}
	half := len(records[0]) / 2
	server := testserver.DNS(t, testserver.Zone(t,
		fmt.Sprintf("r._domainkey.sender.test. TXT \"%s\" \"%s\"", records[0][:half], records[0][half:])))
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db,
		store.DKIMKey{ID: 1, Domain: "sender.test", Selector: "r", PrivateKey: store.Secret(private[0]), Priority: 1,
			CheckDNS: true, Enabled: true},
		store.DKIMKey{ID: 2, Domain: "sender.test", Selector: "e", PrivateKey: store.Secret(private[1]), Priority: 2,
			Headers: "X-Class", Enabled: true},
		store.DKIMKey{ID: 3, Domain: "sender.test", Selector: "gone", PrivateKey: store.Secret(private[1]), CheckDNS: true,
			Enabled: true},
		store.DKIMKey{ID: 4, Domain: "sender.test", Selector: "off", PrivateKey: store.Secret(private[1])},
		store.DKIMKey{ID: 5, Domain: "sender.test", Selector: "broken", PrivateKey: "MIIBgeheim", Enabled: true},
	)
	mtatest.Insert(t, db, store.DKIMPattern{DKIMKey: 1, Type: store.Wildcard, Sign: "*sender.test"},
		store.DKIMPattern{DKIMKey: 2, Type: store.Global})
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(set).With(mtatest.Settings{"dns-servers": server}))
	require.True(t, d.WaitLog("RSA signatures are made by"))
	require.True(t, d.WaitLog("a DKIM key is in the DNS"))
	require.Contains(t, d.Log.String(), "dkim_keys, id 5")
	require.NotContains(t, d.Log.String(), "MIIBgeheim")
	d.Submit(t, "a@sender.test", "x@sink.test", "From: a@sender.test\r\nSubject: words\r\nX-Class: gold\r\n\r\nText\r\n")
	mail := k.Await(t, 1)[0].Data
	head, _, _ := strings.Cut(string(mail), "\r\n\r\n")
	require.Equal(t, 2, strings.Count(head, "DKIM-Signature:"), head)
	require.Less(t, strings.Index(head, "s=r"), strings.Index(head, "s=e"), "the lower priority is nearer the top")
	file := filepath.Join(dir, "mail")
	require.NoError(t, os.WriteFile(file, mail, 0o600))
	out, err := exec.Command("/usr/bin/python3", "-c", dkimpy, dir, file, "2").CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, mail)

	require.NoError(t, store.Delete[store.DKIMKey](t.Context(), db, 2))
	d.Reload(t)
	d.Submit(t, "a@sender.test", "y@sink.test", "From: a@sender.test\r\nSubject: words\r\n\r\nText\r\n")
	require.Equal(t, 1, strings.Count(string(k.Await(t, 2)[1].Data), "DKIM-Signature:"), "the key is gone")
	d.Submit(t, "a@other.test", "z@sink.test", "From: a@other.test\r\nSubject: words\r\n\r\nText\r\n")
	require.NotContains(t, string(k.Await(t, 3)[2].Data), "DKIM-Signature:")
}

// TestBouncesAreSigned has a mail refused, and what tells its sender signed with a key of the domain that says so: its
// envelope has none.
func TestBouncesAreSigned(t *testing.T) {
	t.Parallel()
	testserver.Need(t, "dkimverify")
	private, records := keys(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "e._domainkey.mta.shop.test"), []byte(records[1]), 0o600))
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.DKIMKey{ID: 1, Domain: "mta.shop.test", Selector: "e", PrivateKey: store.Secret(private[1]),
		Enabled: true})
	mtatest.Insert(t, db, store.DKIMPattern{DKIMKey: 1, Type: store.Wildcard, Sign: "mta.shop.test"})
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(set).With(mtatest.Settings{"rabbitmq-dsn": "outbox",
		"bounce-host": "mta.shop.test"}))
	d.Submit(t, "ann@sink.test", "reject@sink.test", "From: ann@sink.test\r\nSubject: words\r\n\r\nText\r\n")
	told := k.Await(t, 1)[0]
	require.Empty(t, told.From)
	file := filepath.Join(dir, "bounce")
	require.NoError(t, os.WriteFile(file, told.Data, 0o600))
	out, err := exec.Command("/usr/bin/python3", "-c", dkimpy, dir, file, "1").CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, told.Data)
}

package arc_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/arc"
	"github.com/sluicemail/sluice/internal/mailsuite"
	"github.com/sluicemail/sluice/internal/testserver"
)

const sample = "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=ann@example.com; arc=none\n" +
	"From: Ann <ann@example.com>\nTo: bob@example.net\nSubject:  two  words\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n" +
	"Message-ID: <1@example.com>\n\nHi  Bob, \n\na line\tof text\n\n\n"

// What arcsign seals, once and then again, passes here.
func TestArcsign(t *testing.T) {
	testserver.Need(t, "arcsign")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600))
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	var zone mailsuite.Zone
	zone.Add("sel._domainkey.example.org", "TXT", "v=DKIM1; p="+base64.StdEncoding.EncodeToString(der))
	mail := string(mailsuite.CRLF(sample))
	for instance := 1; instance <= 2; instance++ {
		cmd := exec.CommandContext(t.Context(), testserver.Find("arcsign"), "sel", "example.org", file, "mx.example.org")
		cmd.Stdin = strings.NewReader(mail)
		out, err := cmd.Output()
		require.NoError(t, err)
		signed := strings.ReplaceAll(strings.ReplaceAll(string(out), "\r\n", "\n"), "\n", "\r\n")
		r := check(t, &arc.Checker{Resolver: &zone}, []byte(signed))
		require.Equal(t, checks.Pass, r.Verdict, "%s\n%s", r.JSON, signed)
		// The next host finds the chain in order.
		mail = strings.Replace(signed, "arc=none\r\nFrom", "arc=pass\r\nFrom", 1)
	}
}

// differs lists the cases that dkimpy judges otherwise, and why we do not follow it.
var differs = map[string]string{
	"three-algorithms": "it knows only RSA in ARC",
}

const dkimpyProgram = `
import sys, json, dkim
for line in sys.stdin:
    case = json.loads(line)
    def dns(name, timeout=5):
        found = case['zone'].get(name.decode('utf-8').lower(), [])
        return found[0].encode() if len(found) == 1 else None
    try:
        cv, _, _ = dkim.arc_verify(case['mail'].encode('utf-8'), dnsfunc=dns)
        ok = cv == b'pass'
    except Exception as e:
        ok = False
    print(case['name'], ok)
`

// Chains that pass here pass with another implementation, and the others do not, but for listed differences.
func TestSecondOpinion(t *testing.T) {
	testserver.Need(t, "arcverify")
	ours := map[string]bool{}
	var lines bytes.Buffer
	mailsuite.Run(t, "testdata/*.txt", func(t *testing.T, c mailsuite.Case) {
		ours[c.Name] = strings.HasPrefix(c.Want, `{"arc": "pass"`)
		texts := map[string][]string{}
		for _, name := range c.Zone.Names() {
			if found, err := c.Zone.LookupTXT(t.Context(), name); err == nil {
				texts[name+"."] = found
			}
		}
		require.NoError(t, json.NewEncoder(&lines).Encode(map[string]any{"name": c.Name, "mail": string(c.Mail),
			"zone": texts}))
	})
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", dkimpyProgram)
	cmd.Stdin = &lines
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, len(ours), strings.Count(string(out), "\n"))
	for line := range strings.Lines(string(out)) {
		var name string
		var pass bool
		_, err := fmt.Sscan(line, &name, &pass)
		require.NoError(t, err, line)
		why, known := differs[name]
		if differ := pass != ours[name]; differ != known {
			t.Errorf("%s: pass is %v here, dkimpy says %v (known: %q)", name, ours[name], pass, why)
		}
	}
}

package dkim_test

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

	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dkim"
	"github.com/sluicemail/sluice/internal/mailsuite"
	"github.com/sluicemail/sluice/internal/testserver"
)

const python = "/usr/bin/python3"

const sample = "From: Ann <ann@example.org>\nTo: bob@example.net\nSubject:  two  words\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n\nHi  Bob, \n\n" +
	"a line\tof text\n.\n\n\n"

// What dkimsign signs, in every canonicalisation, passes here.
func TestDkimsign(t *testing.T) {
	testserver.Need(t, "dkimsign")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600))
	var zone mailsuite.Zone
	zone.Add("sel._domainkey.example.org", "TXT", rsaRecord(t, &key.PublicKey))
	for _, form := range []string{"simple", "relaxed"} {
		for _, body := range []string{"simple", "relaxed"} {
			cmd := exec.CommandContext(t.Context(), testserver.Find("dkimsign"), "--hcanon", form, "--bcanon", body, "sel",
				"example.org", file)
			cmd.Stdin = bytes.NewReader(mailsuite.CRLF(sample))
			signed, err := cmd.Output()
			require.NoError(t, err)
			results, err := (&dkim.Checker{Resolver: &zone}).Check(t.Context(), mailOf(signed))
			require.NoError(t, err)
			require.Equal(t, checks.Pass, results[0].Verdict, "%s/%s: %s\n%s", form, body, jsons(results), signed)
		}
	}
}

func rsaRecord(t testing.TB, key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

// differs lists the cases that other implementations judge otherwise, and why we do not follow them.
var differs = map[string]string{
	"dkimpy folded-tags":             "it leaves the blank between the signature and its semicolon, which RFC 6376 §3.7 deletes",
	"dkimpy idn":                     "it does not know RFC 8616",
	"dkimpy key-beside-others":       "it gets no texts from this test when there are several",
	"dkimpy key-hash":                "it does not look at h= of keys",
	"dkimpy key-service-mail":        "it knows no lists in s=",
	"dkimpy key-strict":              "it does not look at t=s",
	"dkimpy key-version-late":        "it does not mind where v= stands",
	"dkimpy l-appended":              "it passes what RFC 6376 allows; that is AcceptPartial here",
	"dkimpy l-too-long":              "it does not compare l= with the body, as RFC 6376 §3.5 asks",
	"dkimpy l-zero":                  "it passes what RFC 6376 allows; that is AcceptPartial here",
	"dkimpy long-time":               "it takes times of any length",
	"dkimpy no-from":                 "it does not ask for From",
	"dkimpy odd-line":                "it cannot read the mail",
	"dkimpy rsa-sha1":                "it does not know RFC 8301",
	"dkimpy several-queries":         "it knows no lists in q=",
	"dkimpy space-before-colon":      "it does not find such fields",
	"go-msgauth bad-time":            "it takes times before 1970",
	"go-msgauth empty-tag":           "it takes empty tags",
	"go-msgauth idn":                 "it does not know RFC 8616",
	"go-msgauth key-beside-others":   "it takes several texts for a mistake",
	"go-msgauth key-strict":          "it does not look at t=s",
	"go-msgauth key-strict-same":     "it wants i= in the same case as d=",
	"go-msgauth key-version-late":    "it does not mind where v= stands",
	"go-msgauth l-appended-accepted": "it refuses every l=",
	"go-msgauth l-whole":             "it refuses every l=",
	"go-msgauth long-time":           "it takes times of any length",
	"go-msgauth no-body":             "it cannot read a mail that ends with its header",
}

// opinion is what another implementation says of a case: whether the first signature passes.
type opinion struct {
	who, name string
	pass      bool
}

// The cases that pass here, and those that do not, are judged alike by two other implementations, but for listed
// differences.
func TestSecondOpinions(t *testing.T) {
	ours := map[string]bool{}
	var opinions []opinion
	var lines bytes.Buffer
	mailsuite.Run(t, "testdata/*.txt", func(t *testing.T, c mailsuite.Case) {
		if c.Setting("options", "now") != "" {
			return // theirs go by the time of day
		}
		ours[c.Name] = strings.HasPrefix(c.Want, `{"dkim":"pass"`)
		opinions = append(opinions, opinion{"go-msgauth", c.Name, msgauthPasses(t, c)})
		texts := map[string][]string{}
		for _, name := range c.Zone.Names() {
			if found, err := c.Zone.LookupTXT(t.Context(), name); err == nil {
				texts[name+"."] = found
			}
		}
		require.NoError(t, json.NewEncoder(&lines).Encode(map[string]any{"name": c.Name, "mail": string(c.Mail),
			"zone": texts}))
	})
	opinions = append(opinions, dkimpy(t, &lines)...)
	require.Len(t, opinions, 2*len(ours))
	for _, o := range opinions {
		why, known := differs[o.who+" "+o.name]
		if differ := o.pass != ours[o.name]; differ != known {
			t.Errorf("%s: pass is %v here, %s says %v (known: %q)", o.name, ours[o.name], o.who, o.pass, why)
		}
	}
}

func msgauthPasses(t *testing.T, c mailsuite.Case) bool {
	found, err := msgauth.VerifyWithOptions(bytes.NewReader(c.Mail), &msgauth.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return c.Zone.LookupTXT(t.Context(), name) },
	})
	return err == nil && len(found) > 0 && found[0].Err == nil
}

const dkimpyProgram = `
import sys, json, dkim
for line in sys.stdin:
    case = json.loads(line)
    def dns(name, timeout=5):
        found = case['zone'].get(name.decode('utf-8').lower(), [])
        return found[0].encode() if len(found) == 1 else None
    try:
        ok = dkim.verify(case['mail'].encode('utf-8'), dnsfunc=dns)
    except Exception as e:
        ok = False
    print(case['name'], ok)
`

func dkimpy(t *testing.T, lines *bytes.Buffer) []opinion {
	testserver.Need(t, "dkimverify")
	cmd := exec.CommandContext(t.Context(), python, "-c", dkimpyProgram)
	cmd.Stdin = lines
	out, err := cmd.Output()
	require.NoError(t, err)
	var opinions []opinion
	for line := range strings.Lines(string(out)) {
		var o opinion
		_, err := fmt.Sscan(line, &o.name, &o.pass)
		require.NoError(t, err, line)
		o.who = "dkimpy"
		opinions = append(opinions, o)
	}
	return opinions
}

package sign_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/arc"
	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue"
)

// keyZone has the test keys under two selectors of any domain.
func keyZone(domains ...string) *zone {
	z := new(zone)
	for _, domain := range domains {
		z.set("rsa._domainkey."+domain, record(rsaKey()))
		z.set("ed._domainkey."+domain, record(ed25519Key()))
	}
	return z
}

// chain is what our check finds of the chain of a mail.
func chain(t *testing.T, text string) checks.Result {
	header, _, _ := strings.Cut(text, "\r\n\r\n")
	found, err := (&arc.Checker{Resolver: keyZone("example.com", "lists.example")}).Check(t.Context(),
		&checks.Mail{Header: []byte(header + "\r\n\r\n"), Body: queue.Bytes(text)})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// relay is a host that seals what it passes on.
type relay struct {
	domain  string
	signer  sign.Signer
	keys    []queue.DKIM
	checked bool // the check "arc" is made when a mail comes in
}

func newRelay(domain string, protocols ...string) *relay {
	key := rsaOwn()
	key.Domain, key.Protocols = domain, protocols
	r := &relay{domain: domain, keys: []queue.DKIM{key}, checked: true}
	r.signer.Results = func(m *queue.Message, instance int) []byte {
		return fmt.Appendf(nil, "ARC-Authentication-Results: i=%d; mx.%s;\r\n\tspf=pass smtp.mailfrom=anna@example.com\r\n",
			instance, domain)
	}
	return r
}

// pass takes a mail in and sends it on.
func (r *relay) pass(t *testing.T, text_ string) string {
	m := &queue.Message{Body: queue.Bytes(text_), DKIM: r.keys}
	if r.checked {
		m.Checks = []json.RawMessage{[]byte(`{"spf":"pass"}`), chain(t, text_).JSON}
	}
	body, err := finish(t.Context(), &r.signer, m)
	require.NoError(t, err)
	return text(t, body)
}

// sealedBy says of the newest set which instance it is, and what its seal says of the chain before it.
func sealedBy(text string) (newest string) {
	header, _, _ := strings.Cut(text, "\r\n\r\n")
	for field := range strings.SplitSeq(strings.ReplaceAll(header, "\r\n ", " "), "\r\n") {
		if v, ok := strings.CutPrefix(field, "ARC-Seal: "); ok {
			return tag(v, "i") + " " + tag(v, "cv") + " " + tag(v, "d")
		}
	}
	return ""
}

// oracle is what dkimpy makes of the chain of a mail, with the keys of the tests.
func oracle(t *testing.T, text string) string {
	testserver.Need(t, "arcverify")
	dir := t.TempDir()
	for name, record := range map[string]string{"rsa": record(rsaKey()), "ed": record(ed25519Key())} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(record), 0o600))
	}
	cmd := exec.Command("/usr/bin/python3", "-c", `
import dkim, sys
def txt(name, timeout=5):
    return open(sys.argv[1] + "/" + name.decode().split(".")[0], "rb").read()
cv, results, reason = dkim.arc_verify(sys.stdin.buffer.read(), dnsfunc=txt)
print((cv or b"fail").decode(), reason)
`, dir)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	verdict, _, _ := strings.Cut(string(out), " ")
	return verdict
}

func TestOtherImplementationsVerifyOurChains(t *testing.T) {
	for name, text_ := range odd {
		if name == "nothing but a header" || name == "no line end" || len(text_) > 10000 {
			continue // not as they go over the wire, or more than dkimpy reads in a second
		}
		for _, c := range []string{"", "relaxed/relaxed", "simple/simple"} {
			t.Run(name+" "+c, func(t *testing.T) {
				first, second := newRelay("example.com", "dkim", "arc"), newRelay("lists.example", "arc")
				first.keys[0].Canonicalization, second.keys[0].Canonicalization = c, c
				once := first.pass(t, text_)
				require.True(t, strings.HasPrefix(once, "ARC-Seal: i=1; a=rsa-sha256; cv=none;\r\n"), once)
				require.True(t, strings.HasSuffix(once, text_))
				require.Len(t, signatures(once), 1, "and a DKIM-Signature")
				require.Equal(t, []string{"example.com ok"}, verify(t, once))
				twice := second.pass(t, "Received: from there\r\n"+once)
				require.Equal(t, "2 pass lists.example", sealedBy(twice))
				require.Len(t, signatures(twice), 1, "no other DKIM-Signature")
				for _, sealed := range []string{once, twice} {
					require.Equal(t, checks.Pass, chain(t, sealed).Verdict, "%s\n%s", chain(t, sealed).Reason, sealed)
					require.Equal(t, "pass", oracle(t, sealed), sealed)
				}
			})
		}
	}
}

// TestBrokenChainsStayBroken changes a mail between its hosts.
func TestBrokenChainsStayBroken(t *testing.T) {
	first, second, third := newRelay("example.com", "arc"), newRelay("lists.example", "arc"), newRelay("example.com", "arc")
	once := first.pass(t, mail)
	twice := second.pass(t, once+"An advertisement.\r\n")
	require.Equal(t, "2 fail lists.example", sealedBy(twice))
	require.Equal(t, checks.Fail, chain(t, twice).Verdict)
	require.Equal(t, "fail", oracle(t, twice))
	require.Equal(t, twice, third.pass(t, twice), "no set follows one that says fail")

	for name, damaged := range map[string]string{
		"a set lacks a field": strings.Replace(once, "ARC-Seal", "X-Seal", 1),
		"a number is missing": strings.ReplaceAll(once, "i=1;", "i=7;"),
	} {
		twice = second.pass(t, damaged)
		require.Contains(t, []string{"2 fail lists.example", "8 fail lists.example"}, sealedBy(twice), name)
		require.Equal(t, checks.Fail, chain(t, twice).Verdict, name)
	}
}

func TestChainsThatNobodyLookedAtAreLeftAlone(t *testing.T) {
	once := newRelay("example.com", "arc").pass(t, mail)
	blind := newRelay("lists.example", "arc")
	blind.checked = false
	require.Equal(t, once, blind.pass(t, once))
	require.Equal(t, "1 none lists.example", sealedBy(blind.pass(t, mail)), "there is nothing to look at")
	both := newRelay("lists.example", "dkim", "arc")
	both.checked = false
	require.Equal(t, []string{"lists.example ok"}, verify(t, both.pass(t, once)), "DKIM does not depend on it")

	old := &queue.Message{Body: queue.Bytes(once), DKIM: blind.keys,
		Checks: []json.RawMessage{[]byte(`{"arc":"pass","instance":2}`), []byte(`{`)}}
	body, err := finish(t.Context(), &blind.signer, old)
	require.NoError(t, err)
	require.Equal(t, once, text(t, body), "it was about another chain")
}

func TestChainsEnd(t *testing.T) {
	text_ := mail
	hosts := [2]*relay{newRelay("example.com", "arc"), newRelay("lists.example", "arc")}
	for i := range 51 {
		text_ = hosts[i%2].pass(t, text_)
	}
	require.Equal(t, "50 pass lists.example", sealedBy(text_))
	require.Equal(t, checks.Pass, chain(t, text_).Verdict)
}

// TestOneKeySeals has several keys for ARC: a set has room for one.
func TestOneKeySeals(t *testing.T) {
	ed, rsa, later := edOwn(), rsaOwn(), rsaOwn()
	ed.Protocols, rsa.Protocols, later.Protocols = []string{"arc"}, []string{"dkim", "arc"}, []string{"arc"}
	later.Domain, later.Priority = "lists.example", 1
	for want, keys := range map[string][]queue.DKIM{
		"1 none example.com":   {later, ed, rsa},
		"1 none lists.example": {later, ed},
	} {
		got := signedBy(t, new(sign.Signer), mail, keys...)
		require.Equal(t, want, sealedBy(got))
		require.Contains(t, got, "ARC-Authentication-Results: i=1; "+strings.Fields(want)[2]+"; none\r\n")
		require.Equal(t, checks.Pass, chain(t, got).Verdict)
	}
	got := signedBy(t, new(sign.Signer), mail, ed)
	require.Equal(t, "1 none example.com", sealedBy(got))
	require.Equal(t, checks.Pass, chain(t, got).Verdict, "Ed25519 alone")
}

func TestKeysOfSettingsSeal(t *testing.T) {
	spec := sign.Spec{Key: rsaOwn(), Expires: "600", Patterns: []sign.Pattern{{Type: "global"}}}
	spec.Key.Protocols = []string{"arc"}
	keys, broken := sign.Compile([]sign.Spec{spec}, nil)
	require.Empty(t, broken)
	s := &sign.Signer{Keys: func() *sign.Keys { return keys }}
	got := signedBy(t, s, strings.Replace(mail, "anna@example.com", "anna@else.example", 1))
	require.Empty(t, signatures(got))
	require.Equal(t, checks.Pass, chain(t, got).Verdict)

	// What was found is sealed with the mail: equal mails whose findings differ get seals of their own.
	s.Results = func(m *queue.Message, instance int) []byte {
		return fmt.Appendf(nil, "ARC-Authentication-Results: i=%d; mx; x=%s\r\n", instance, m.Checks[0])
	}
	for _, found := range []string{"1", "2"} {
		body, err := finish(t.Context(), s, &queue.Message{Body: queue.Bytes(mail),
			Checks: []json.RawMessage{json.RawMessage(found)}})
		require.NoError(t, err)
		require.Contains(t, text(t, body), "x="+found)
	}
}

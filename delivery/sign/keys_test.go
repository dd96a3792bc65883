package sign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/queue"
)

func TestPatternsChooseKeys(t *testing.T) {
	spec := func(domain string, patterns ...sign.Pattern) sign.Spec {
		key := edOwn()
		key.Domain = domain
		return sign.Spec{Key: key, Patterns: patterns}
	}
	keys, broken := sign.Compile([]sign.Spec{
		spec("own.example"),
		spec("exact.example", sign.Pattern{Type: "exact", Text: "News.Example"},
			sign.Pattern{Type: "exact", Text: "news.example"}),
		spec("wild.example", sign.Pattern{Type: "fnmatch", Text: "*.shop.example"}),
		spec("regex.example", sign.Pattern{Type: "regex", Text: `^mail[0-9]+\.`}),
		spec("part.example", sign.Pattern{Type: "substr", Text: "promo"}, sign.Pattern{Type: "exact", Text: "promo.example"}),
		spec("idn.example", sign.Pattern{Type: "exact", Text: "bücher.example"}),
	}, nil)
	require.Empty(t, broken)
	require.Equal(t, 6, keys.Len())
	s := &sign.Signer{Keys: func() *sign.Keys { return keys }}
	for from, want := range map[string]string{
		"a@own.example":                                "own.example",
		"a@sub.own.example":                            "",
		"a@OWN.example":                                "own.example",
		"Anna <a@news.example>":                        "exact.example",
		"\"news.example <a@b>\" <a@x.shop.example>":    "wild.example",
		"a@shop.example":                               "",
		"a@mail12.example (a@own.example)":             "regex.example",
		"a@promo.example, b@own.example":               "part.example",
		"(x@own.example) \"a@own.example\"@promo.net":  "part.example",
		"Team: a@own.example, b@news.example;":         "own.example",
		"\r\n\tAnna\r\n <a@own.example>":               "own.example",
		"=?utf-8?q?a=40own.example?= <a@news.example>": "exact.example",
		"a@bücher.example":                             "idn.example",
		"a@xn--bcher-kva.example":                      "idn.example",
		`"a \" <x@own.example>" <a@news.example>`:      "exact.example",
		`(a \) x@own.example) a@news.example`:          "exact.example",
		`<"x>@own.example"@news.example>`:              "exact.example",
		"nobody":                                       "",
		"<>":                                           "",
		"\"":                                           "",
		"(((":                                          "",
		"<\"":                                          "",
		"\\":                                           "",
		"":                                             "",
	} {
		var got []string
		for _, signature := range signatures(signedBy(t, s,
			"Subject: x\r\nFrom: "+from+"\r\nFrom: b@own.example\r\n\r\nx\r\n")) {
			got = append(got, tag(signature, "d"))
		}
		require.Equal(t, want, strings.Join(got, " "), "From: %s", from)
	}
}

func TestGlobalKeysSignAllMail(t *testing.T) {
	keys, broken := sign.Compile([]sign.Spec{{Key: edOwn(), Patterns: []sign.Pattern{{Type: "Global"}, {Type: "global"}}}},
		nil)
	require.Empty(t, broken)
	got := signedBy(t, &sign.Signer{Keys: func() *sign.Keys { return keys }},
		strings.ReplaceAll(mail, "example.com", "else.example"))
	require.Len(t, signatures(got), 1)
}

func TestBrokenKeysOfSettingsAreNamed(t *testing.T) {
	good := edOwn()
	with := func(set func(*sign.Spec)) sign.Spec {
		s := sign.Spec{Name: "dkim_keys 7", Key: good}
		set(&s)
		return s
	}
	for _, c := range []struct {
		name, want string
		spec       sign.Spec
		left       int
	}{
		{"key", "dkim_keys 7: key: expected an RSA or Ed25519 private key as PEM, got a text without a whole PEM block",
			with(func(s *sign.Spec) { s.Key.Key = "MIIsecret" }), 0},
		{"domain", `dkim_keys 7: domain: expected a domain, got "a b"`, with(func(s *sign.Spec) { s.Key.Domain = "a b" }), 0},
		{"unnamed", `DKIM key "ed._domainkey.a b": domain`, with(func(s *sign.Spec) { s.Name, s.Key.Domain = "", "a b" }), 0},
		{"expiry", `dkim_keys 7: expire: expected a UTC time or seconds, got "tomorrow"`,
			with(func(s *sign.Spec) { s.Expires = "tomorrow" }), 0},
		{"protocol", `dkim_keys 7: protocols: expected dkim and arc, got "x"`,
			with(func(s *sign.Spec) { s.Key.Protocols = []string{"dkim", "x"} }), 0},
		{"regex", "dkim_keys 7: pattern \"(\"",
			with(func(s *sign.Spec) { s.Patterns = []sign.Pattern{{Type: "regex", Text: "("}} }), 1},
		{"no pattern", "dkim_keys 7: pattern is empty",
			with(func(s *sign.Spec) { s.Patterns = []sign.Pattern{{Type: "exact"}} }), 1},
		{"type", `dkim_keys 7: unknown type of pattern "like"`,
			with(func(s *sign.Spec) { s.Patterns = []sign.Pattern{{Type: "like", Text: "x"}} }), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, broken := sign.Compile([]sign.Spec{c.spec, {Key: rsaOwn()}}, new(sign.KeyCache))
			require.Len(t, broken, 1)
			require.ErrorContains(t, broken[0], c.want)
			require.NotContains(t, broken[0].Error(), "MIIsecret")
			require.Equal(t, c.left+1, keys.Len(), "the rest is usable")
			got := signatures(signedBy(t, &sign.Signer{Keys: func() *sign.Keys { return keys }}, mail))
			require.Len(t, got, 1, "a key without a working pattern signs nothing")
		})
	}
}

func TestListsOfSettings(t *testing.T) {
	spec := sign.Spec{Key: edOwn()}
	spec.Key.Headers, spec.Key.Protocols = []string{" X-A, x-b ,"}, []string{"arc, dkim"}
	keys, broken := sign.Compile([]sign.Spec{spec}, nil)
	require.Empty(t, broken)
	s := signatures(signedBy(t, &sign.Signer{Keys: func() *sign.Keys { return keys }}, mail))[0]
	require.Contains(t, tag(s, "h"), ":X-A:x-b:")
}

func TestRecords(t *testing.T) {
	low, high := edOwn(), rsaOwn()
	low.Priority = 5
	keys, _ := sign.Compile([]sign.Spec{{Key: low, CheckDNS: true}, {Key: high}}, nil)
	require.Equal(t, []string{"rsa._domainkey.example.com", "ed._domainkey.example.com"}, keys.Records("EXAMPLE.com"))
	require.Empty(t, keys.Records("example.org"))
	require.Empty(t, (*sign.Keys)(nil).Records("example.org"))
	require.Equal(t, record(rsaKey()), sign.Record(rsaKey()))
	require.Equal(t, record(ed25519Key()), sign.Record(ed25519Key()))
}

func TestManyKeysCostAMailLittle(t *testing.T) {
	specs := make([]sign.Spec, 10000)
	key := edOwn()
	for i := range specs {
		domain := fmt.Sprintf("customer%d.example", i)
		specs[i] = sign.Spec{Key: key, Patterns: []sign.Pattern{{Type: "exact", Text: domain},
			{Type: "fnmatch", Text: "*." + domain}}}
	}
	keys, broken := sign.Compile(specs, new(sign.KeyCache))
	require.Empty(t, broken)
	start := time.Now()
	for range 1000 {
		require.Len(t, keys.Records("mail.customer77.example"), 1)
	}
	require.Less(t, time.Since(start), time.Second)
}

func TestSettingsExpiry(t *testing.T) {
	keys, broken := sign.Compile([]sign.Spec{{Key: edOwn(), Expires: " 600 "}}, nil)
	require.Empty(t, broken)
	s := signatures(signedBy(t, &sign.Signer{Keys: func() *sign.Keys { return keys }}, mail))[0]
	require.NotEmpty(t, tag(s, "x"))
}

func TestParseKey(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	good := pkcs8(rsaKey())
	for name, text_ := range map[string]string{
		"PKCS #8 RSA": good, "PKCS #1 RSA": pkcs1(rsaKey()), "Ed25519": pkcs8(ed25519Key()),
		"CRLF": strings.ReplaceAll(good, "\n", "\r\n"), "text around": "my key:\n" + good + "\nkeep it secret\n",
		"no line end": strings.TrimSpace(good),
	} {
		key, err := sign.ParseKey(text_)
		require.NoError(t, err, name)
		require.Contains(t, []any{rsaKey().Public(), ed25519Key().Public()}, key.Public(), name)
	}
	block := func(kind string, data ...byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
	}
	for want, text_ := range map[string]string{
		"nothing": " \n", "a text without a whole PEM block": "-----BEGIN PRIVATE KEY-----\nAAAA\n",
		"a malformed key":     block("PRIVATE KEY", 1, 2),
		"a malformed RSA key": block("RSA PRIVATE KEY", 1, 2), "a public key": block("PUBLIC KEY", 1),
		"a certificate":    block("CERTIFICATE", 1),
		"an encrypted key": block("ENCRYPTED PRIVATE KEY", 1), "a key of another kind": pkcs8(ec),
		"a PEM block of another type": block("X", 1),
	} {
		_, err := sign.ParseKey(text_)
		require.EqualError(t, err, want)
		require.IsType(t, sign.KeyError(""), err)
	}
	old := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY",
		Headers: map[string]string{"DEK-Info": "DES-CBC,00"}, Bytes: []byte{1}}))
	_, err = sign.ParseKey(old)
	require.EqualError(t, err, "an encrypted key")
}

func TestWeakKeys(t *testing.T) {
	weak, err := os.ReadFile("testdata/rsa512.pem")
	require.NoError(t, err)
	_, err = sign.ParseKey(string(weak))
	require.EqualError(t, err, "an RSA key of 512 bits")
}

func TestKeyCache(t *testing.T) {
	c := sign.KeyCache{Size: 2}
	first, err := c.Parse(pkcs8(rsaKey()))
	require.NoError(t, err)
	for i := range 10 {
		_, err := c.Parse(fmt.Sprint("broken ", i))
		require.Error(t, err)
		again, err := c.Parse(pkcs8(rsaKey()))
		require.NoError(t, err)
		require.Same(t, first, again, "what is in use stays, whatever else comes")
	}
	_, err = c.Parse("broken 9")
	require.Error(t, err)
}

func FuzzParseKey(f *testing.F) {
	for _, text_ := range []string{pkcs8(rsaKey()), pkcs1(rsaKey()), pkcs8(ed25519Key()), "",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		f.Add(text_)
	}
	f.Fuzz(func(t *testing.T, text_ string) {
		key, err := sign.ParseKey(text_)
		if err != nil {
			require.IsType(t, sign.KeyError(""), err)
			require.Less(t, len(err.Error()), 80)
			return
		}
		require.NotNil(t, key.Public())
	})
}

func FuzzSign(f *testing.F) {
	for _, text_ := range odd {
		if len(text_) < 1000 {
			f.Add(text_, "X-A", "relaxed/simple")
		}
	}
	f.Fuzz(func(t *testing.T, text_, extra, form string) {
		key := edOwn()
		key.Headers, key.Canonicalization = []string{extra}, form
		body, err := finish(t.Context(), new(sign.Signer), &queue.Message{Body: queue.Bytes(text_), DKIM: []queue.DKIM{key}})
		if err != nil {
			var wrong *queue.PropertyError
			require.ErrorAs(t, err, &wrong)
			return
		}
		got := text(t, body)
		require.True(t, strings.HasSuffix(got, text_))
		require.Len(t, signatures(got[:len(got)-len(text_)]+"\r\n"), 1)
	})
}

// outside is a key whose private half is elsewhere.
type outside struct {
	crypto.Signer
	away atomic.Bool
	used atomic.Int32
}

func (o *outside) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if o.away.Load() {
		return nil, errors.New("no answer")
	}
	o.used.Add(1)
	return o.Signer.Sign(rand.Reader, digest, opts)
}

// TestKeysElsewhere signs with keys of both kinds, for one domain, whose private halves are in another place, and lets
// that be away for a while.
func TestKeysElsewhere(t *testing.T) {
	held := map[string]*outside{"vault: rsa": {Signer: rsaKey()}, "vault: ed": {Signer: ed25519Key()}}
	parsed := &sign.KeyCache{Open: func(text string) (crypto.Signer, error) {
		if key := held[text]; key != nil {
			return key, nil
		}
		return sign.ParseKey(text)
	}}
	keys, broken := sign.Compile([]sign.Spec{
		{Key: queue.DKIM{Domain: "example.com", Selector: "rsa", Key: "vault: rsa", Expire: 3600}},
		{Key: queue.DKIM{Domain: "example.com", Selector: "ed", Key: "vault: ed", Headers: []string{"X-Campaign"}}},
		{Key: queue.DKIM{Domain: "example.com", Selector: "no", Key: "vault: other"}},
	}, parsed)
	require.Len(t, broken, 1)
	s := &sign.Signer{Keys: func() *sign.Keys { return keys }}
	got := signedBy(t, s, mail)
	require.Equal(t, []string{"example.com ok", "example.com ok"}, verify(t, got))
	list := signatures(got)
	require.Equal(t, "rsa-sha256", tag(list[0], "a"))
	require.Equal(t, "ed25519-sha256", tag(list[1], "a"))
	require.NotEmpty(t, tag(list[0], "x"))
	require.Contains(t, tag(list[1], "h"), "X-Campaign")
	for _, key := range held {
		require.EqualValues(t, 1, key.used.Load())
	}

	held["vault: ed"].away.Store(true)
	m := &queue.Message{Body: queue.Bytes("X: y\r\n" + mail)}
	_, err := finish(t.Context(), s, m)
	var away *sign.KeyAway
	require.ErrorAs(t, err, &away)
	require.EqualError(t, err, "DKIM: ed._domainkey.example.com cannot sign: no answer")
	held["vault: ed"].away.Store(false)
	_, err = finish(t.Context(), s, m)
	require.NoError(t, err, "it is asked again")
}

func TestWeakKeysAreNamed(t *testing.T) {
	weak := queue.DKIM{Domain: "example.com", Selector: "old", Key: pkcs8(newRSA(1024))}
	keys, broken := sign.Compile([]sign.Spec{{Key: weak}, {Key: rsaOwn()}, {Key: edOwn()}}, nil)
	require.Empty(t, broken)
	require.Equal(t, []string{"old._domainkey.example.com: its RSA key has 1024 bits, and should have at least 2048"},
		keys.Weak())
	require.Empty(t, (*sign.Keys)(nil).Weak())
}

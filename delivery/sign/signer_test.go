package sign_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue"
)

// odd are mails that are hard to sign in one way or another.
var odd = map[string]string{
	"plain":                mail,
	"no body":              "From: a@example.com\r\nTo: b@example.org\r\n\r\n",
	"nothing but a header": "From: a@example.com\r\nTo: b@example.org\r\n",
	"empty lines only":     "From: a@example.com\r\n\r\n\r\n\r\n\r\n",
	"no line end":          "From: a@example.com\r\n\r\nHello",
	"blanks":               "From: a@example.com\r\n\r\n \t \r\nx  y\t z \r\n \r\n",
	"eight bits":           "From: J\xc3\xbcrgen <j@example.com>\r\nSubject: \xff\xfe\r\n\r\n\x80\x81 \xe4\r\n",
	"folds":                "From: A\r\n <a@example.com>\r\nSubject:  one\r\n\ttwo\r\n   three \r\nTo:b@example.org\r\n\r\nx\r\n",
	"several of a name":    "From: a@example.com\r\nTo: one@example.org\r\nTo: two@example.org\r\nReceived: a\r\nReceived: b\r\n\r\nx\r\n",
	"dots":                 "From: a@example.com\r\n\r\n.\r\n..\r\n",
	"long":                 "From: a@example.com\r\n\r\n" + strings.Repeat("0123456789 abcdef\r\n\r\n", 20000),
	"long lines of blanks": "From: a@example.com\r\n\r\nx" + strings.Repeat(" ", 100000) + "\r\n" +
		strings.Repeat("\r\n", 50000),
}

var canonicalizations = []string{"", "relaxed", "simple", "relaxed/relaxed", "simple/simple", "simple/relaxed"}

func TestAnotherImplementationVerifies(t *testing.T) {
	for name, text_ := range odd {
		for _, c := range canonicalizations {
			t.Run(name+" "+c, func(t *testing.T) {
				r, e := rsaOwn(), edOwn()
				r.Canonicalization, e.Canonicalization = c, c
				for _, body := range []queue.Body{queue.Bytes(text_), streamed(text_)} {
					out, err := finish(t.Context(), new(sign.Signer), &queue.Message{Body: body, DKIM: []queue.DKIM{r, e}})
					require.NoError(t, err)
					got := text(t, out)
					require.True(t, strings.HasSuffix(got, text_), "the mail itself is not touched")
					if name == "nothing but a header" {
						got += "\r\n" // which its transport adds
					}
					require.Equal(t, []string{"example.com ok", "example.com ok"}, verify(t, got), "%s", got)
				}
			})
		}
	}
}

// dkimpy verifies all signatures of a mail, with the keys in files named as their records are.
const dkimpy = `
import dkim, sys
def txt(name, timeout=5):
    return open(sys.argv[1] + "/" + name.decode().rstrip("."), "rb").read()
for path in sys.argv[2:]:
    d = dkim.DKIM(open(path, "rb").read())
    for i in range(2):
        if not d.verify(idx=i, dnsfunc=txt):
            sys.exit("%s: signature %d does not hold" % (path, i))
`

func TestPythonVerifies(t *testing.T) {
	testserver.Need(t, "dkimverify")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	write("rsa._domainkey.example.com", record(rsaKey()))
	write("ed._domainkey.example.com", record(ed25519Key()))
	args := []string{"-c", dkimpy, dir}
	n := 0
	for name, text_ := range odd {
		if name == "nothing but a header" || name == "no line end" {
			continue // not as they go over the wire
		}
		for _, c := range canonicalizations {
			r, e := rsaOwn(), edOwn()
			r.Canonicalization, e.Canonicalization = c, c
			r.Headers, r.Expire, r.Report = []string{"X-Extra", "received"}, 3600, true
			n++
			args = append(args, write(fmt.Sprintf("%s-%d.eml", strings.ReplaceAll(name, " ", "-"), n),
				signedBy(t, new(sign.Signer), text_, r, e)))
		}
	}
	out, err := exec.Command("/usr/bin/python3", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestTags(t *testing.T) {
	now := time.Unix(1800000000, 0)
	guarded := "From:From:To:To:Cc:Subject:Subject:Date:Date:Reply-To:MIME-Version:Content-Type:Content-Transfer-Encoding"
	for _, c := range []struct {
		name string
		set  func(*queue.DKIM)
		tags map[string]string
	}{
		{"as it comes", func(*queue.DKIM) {}, map[string]string{"v": "1", "a": "ed25519-sha256", "c": "relaxed/simple",
			"d": "example.com",
			"s": "ed", "t": "1800000000", "x": "", "r": "", "h": guarded + ":Message-ID"}},
		{"expiry", func(k *queue.DKIM) { k.Expire = 3600 }, map[string]string{"x": "1800003600"}},
		{"report", func(k *queue.DKIM) { k.Report = true }, map[string]string{"r": "y"}},
		{"relaxed alone", func(k *queue.DKIM) { k.Canonicalization = "relaxed" }, map[string]string{"c": "relaxed/simple"}},
		{"simple/relaxed", func(k *queue.DKIM) { k.Canonicalization = "simple/relaxed" },
			map[string]string{"c": "simple/relaxed"}},
		{"an international domain", func(k *queue.DKIM) { k.Domain = "BÜCHER.example." },
			map[string]string{"d": "xn--bcher-kva.example"}},
		{"extra fields", func(k *queue.DKIM) {
			k.Headers = []string{"x-there", "X-Absent", "subject", "DKIM-Signature", "message-id"}
		},
			map[string]string{"h": guarded + ":x-there:x-there:X-Absent:message-id:message-id"}},
		{"both protocols", func(k *queue.DKIM) { k.Protocols = []string{"arc", "dkim"} },
			map[string]string{"d": "example.com"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := edOwn()
			c.set(&key)
			got := signedBy(t, &sign.Signer{Now: func() time.Time { return now }}, "X-There: yes\r\n"+mail, key)
			list := signatures(got)
			require.Len(t, list, 1)
			for name, want := range c.tags {
				require.Equal(t, want, tag(list[0], name), "%s= in %s", name, list[0])
			}
			if c.name != "expiry" { // its time is not now
				require.Equal(t, []string{tag(list[0], "d") + " ok"}, verify(t, got))
			}
		})
	}
}

func TestAddedFieldsBreakTheSignature(t *testing.T) {
	key := edOwn()
	key.Headers = []string{"X-Campaign"}
	got := signedBy(t, new(sign.Signer), mail, key)
	for _, field := range []string{"From: eve@example.com", "Subject: You won", "To: x@example.org", "Date: now",
		"X-Campaign: 1", "Reply-To: eve@example.net",
		"Content-Type: text/html"} {
		require.NotEqual(t, []string{"example.com ok"}, verify(t, field+"\r\n"+got), field)
	}
	for _, field := range []string{"Received: from here", "X-Other: 1", "List-Id: <a.example.org>"} {
		require.Equal(t, []string{"example.com ok"}, verify(t, field+"\r\n"+got), field)
	}
}

func TestLowerPrioritiesAreNearerTheTop(t *testing.T) {
	first, second, third := edOwn(), rsaOwn(), edOwn()
	first.Priority, second.Priority, third.Priority = 20, -1, 10
	first.Domain, third.Domain = "c.example", "b.example"
	keys,
		broken := sign.Compile([]sign.Spec{{Key: queue.DKIM{Domain: "example.com", Selector: "ed", Key: pkcs8(ed25519Key()),
		Priority: 15}}}, nil)
	require.Empty(t, broken)
	got := signedBy(t, &sign.Signer{Keys: func() *sign.Keys { return keys }}, mail, first, second, third)
	var domains []string
	for _, s := range signatures(got) {
		domains = append(domains, tag(s, "d"))
	}
	require.Equal(t, []string{"example.com", "b.example", "example.com", "c.example"}, domains)
	require.Equal(t, []string{"example.com ok", "b.example ok", "example.com ok", "c.example ok"}, verify(t, got))
}

func TestAMessagesKeyReplacesTheSettingsOneOfTheSameRecord(t *testing.T) {
	keys, broken := sign.Compile([]sign.Spec{{Key: rsaOwn()}}, nil)
	require.Empty(t, broken)
	own := rsaOwn()
	own.Report = true
	list := signatures(signedBy(t, &sign.Signer{Keys: func() *sign.Keys { return keys }}, mail, own))
	require.Len(t, list, 1)
	require.Equal(t, "y", tag(list[0], "r"))
}

func TestNothingToSignIsTheSameBody(t *testing.T) {
	body := queue.Bytes(mail)
	for _, s := range []*sign.Signer{{}, {Keys: func() *sign.Keys { return nil }}} {
		out, err := finish(t.Context(), s, &queue.Message{Body: body})
		require.NoError(t, err)
		require.True(t, queue.SameBody(body, out))
	}
	out, err := finish(t.Context(), new(sign.Signer), &queue.Message{DKIM: []queue.DKIM{rsaOwn()}})
	require.NoError(t, err)
	require.Nil(t, out)
}

func TestBrokenKeysOfMessages(t *testing.T) {
	secret := strings.Split(pkcs8(rsaKey()), "\n")[3]
	for _, c := range []struct {
		name, property string
		set            func(*queue.DKIM)
	}{
		{"no domain", "dkim.domain", func(k *queue.DKIM) { k.Domain = "" }},
		{"injection by domain", "dkim.domain", func(k *queue.DKIM) { k.Domain = "example.com;\r\n x=1" }},
		{"address literal", "dkim.domain", func(k *queue.DKIM) { k.Domain = "[127.0.0.1]" }},
		{"no selector", "dkim.selector", func(k *queue.DKIM) { k.Selector = "" }},
		{"injection by selector", "dkim.selector", func(k *queue.DKIM) { k.Selector = "a; l=0" }},
		{"empty label", "dkim.selector", func(k *queue.DKIM) { k.Selector = "a..b" }},
		{"name too long", "dkim.selector", func(k *queue.DKIM) { k.Selector = strings.Repeat("abcdefghi.", 25) + "z" }},
		{"no key", "dkim.key", func(k *queue.DKIM) { k.Key = "" }},
		{"not PEM", "dkim.key", func(k *queue.DKIM) { k.Key = secret }},
		{"cut PEM", "dkim.key", func(k *queue.DKIM) { k.Key = k.Key[:len(k.Key)-40] }},
		{"damaged", "dkim.key", func(k *queue.DKIM) {
			k.Key = strings.Replace(k.Key, secret, strings.Repeat("A", len(secret)),
				1)
		}},
		{"far too long", "dkim.key", func(k *queue.DKIM) { k.Key += strings.Repeat(secret+"\n", 1000) }},
		{"negative expiry", "dkim.expire", func(k *queue.DKIM) { k.Expire = -1 }},
		{"endless expiry", "dkim.expire", func(k *queue.DKIM) { k.Expire = 1 << 62 }},
		{"odd field", "dkim.headers", func(k *queue.DKIM) { k.Headers = []string{"X-A;", "b"} }},
		{"many fields", "dkim.headers", func(k *queue.DKIM) { k.Headers = make([]string, 1000) }},
		{"canonicalization", "dkim.canonicalization", func(k *queue.DKIM) { k.Canonicalization = "nowsp" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := rsaOwn()
			c.set(&key)
			s := new(sign.Signer)
			for range 2 { // the second time from caches
				_, err := finish(t.Context(), s, &queue.Message{Body: queue.Bytes(mail), DKIM: []queue.DKIM{key}})
				var wrong *queue.PropertyError
				require.ErrorAs(t, err, &wrong)
				require.Equal(t, c.property, wrong.Property)
				require.NotContains(t, err.Error(), secret[:10])
			}
			_, err := finish(t.Context(), s, &queue.Message{Body: queue.Bytes(mail), DKIM: []queue.DKIM{edOwn(), key}})
			require.ErrorContains(t, err, strings.Replace(c.property, "dkim.", "dkim.1.", 1))

			out, err := finish(t.Context(), s, &queue.Message{Body: queue.Bytes(mail), DKIM: []queue.DKIM{edOwn(), key},
				Force: true})
			require.NoError(t, err)
			require.Equal(t, []string{"example.com ok"}, verify(t, text(t, out)), "forced: the others sign")
		})
	}
	_, err := finish(t.Context(), new(sign.Signer), &queue.Message{Body: queue.Bytes(mail), DKIM: make([]queue.DKIM, 1000)})
	require.ErrorContains(t, err, "property dkim:")
}

func TestMailWithoutFrom(t *testing.T) {
	keys, _ := sign.Compile([]sign.Spec{{Key: edOwn(), Patterns: []sign.Pattern{{Type: "global"}}}}, nil)
	s := &sign.Signer{Keys: func() *sign.Keys { return keys }}
	for _, text_ := range []string{"", "\r\n", "Subject: x\r\n\r\nFrom: a@example.com\r\n",
		"Hello\r\nFrom: a@example.com\r\n\r\nx\r\n"} {
		require.Equal(t, text_, signedBy(t, s, text_), "settings leave it alone")
		_, err := finish(t.Context(), s, &queue.Message{Body: queue.Bytes(text_), DKIM: []queue.DKIM{edOwn()}})
		require.ErrorContains(t, err, "From")
		out, err := finish(t.Context(), s, &queue.Message{Body: queue.Bytes(text_), DKIM: []queue.DKIM{edOwn()}, Force: true})
		require.NoError(t, err)
		require.Equal(t, text_, text(t, out))
	}
}

func TestHeaderBeyondTheLimit(t *testing.T) {
	long := "From: a@example.com\r\nX: " + strings.Repeat("x", sign.MaxHeader) + "\r\n\r\n"
	for _, body := range []queue.Body{queue.Bytes(long), streamed(long)} {
		_, err := finish(t.Context(), new(sign.Signer), &queue.Message{Body: body, DKIM: []queue.DKIM{edOwn()}})
		require.ErrorContains(t, err, "header")
	}
}

// failing is a mail whose storage breaks behind some bytes.
type failing struct {
	queue.Bytes
	good int64
}

var errStorage = errors.New("storage broke")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.good {
		return 0, errStorage
	}
	return f.Bytes.ReadAt(p, off)
}

// hidden hides the method Bytes.
type hidden struct{ queue.Body }

func TestMailThatCannotBeReadFailsWhenItIsSent(t *testing.T) {
	long := mail + strings.Repeat("x\r\n", 50000)
	for _, good := range []int64{0, 10, 20000, 100000} {
		for _, reuse := range []time.Duration{0, -1} {
			s := &sign.Signer{Reuse: reuse}
			m := &queue.Message{Body: hidden{failing{queue.Bytes(long), good}}, DKIM: []queue.DKIM{edOwn()}}
			body, err := finish(t.Context(), s, m)
			require.NoError(t, err)
			require.Equal(t, int64(len(long)), body.Size())
			_, err = io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
			require.ErrorIs(t, err, errStorage)
			m.Body = queue.Bytes(long)
			body, err = finish(t.Context(), s, m)
			require.NoError(t, err)
			require.Equal(t, []string{"example.com ok"}, verify(t, text(t, body)), "the next one is signed")
		}
	}
}

// TestTheTimeOfAKey lets the clock pass a key's expire: until then x= says so, also for a signature that is used again,
// and then the mail goes without it.
func TestTheTimeOfAKey(t *testing.T) {
	until := time.Unix(1800000000, 0)
	now := until.Add(-time.Minute)
	s := &sign.Signer{Now: func() time.Time { return now }}
	limited, other := edOwn(), rsaOwn()
	limited.ExpireAt = until
	for range 2 {
		list := signatures(signedBy(t, s, mail, limited, other))
		require.Len(t, list, 2)
		require.Equal(t, "1800000000", tag(list[0], "x"))
		require.Empty(t, tag(list[1], "x"))
	}
	now = until
	list := signatures(signedBy(t, s, mail, limited, other))
	require.Len(t, list, 1)
	require.Equal(t, "rsa", tag(list[0], "s"))
	broken := queue.DKIM{Domain: "example.com", Selector: "old", Key: "-----BEGIN RSA PRIVATE KEY-----\n.....",
		ExpireAt: until}
	require.Equal(t, mail, signedBy(t, s, mail, limited, broken), "a key that is over is not looked at")
	require.Equal(t, "Subject: x\r\n\r\n", signedBy(t, s, "Subject: x\r\n\r\n", limited), "and asks for no From")

	keys, problems := sign.Compile([]sign.Spec{{Key: rsaOwn(), Expires: "2027-01-15 08:00:00"}}, nil)
	require.Empty(t, problems)
	s = &sign.Signer{Now: func() time.Time { return now }, Keys: func() *sign.Keys { return keys }}
	now = until.Add(-time.Second)
	require.Equal(t, "1800000000", tag(signatures(signedBy(t, s, mail))[0], "x"))
	now = until
	require.Equal(t, mail, signedBy(t, s, mail), "keys of the settings likewise")
}

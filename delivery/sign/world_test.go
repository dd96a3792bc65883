package sign_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The keys of the tests: the Ed25519 one is that of RFC 8463 appendix A.2, the RSA ones are made once.
var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })

	ed25519Key = sync.OnceValue(func() ed25519.PrivateKey {
		seed, err := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
		if err != nil {
			panic(err)
		}
		return ed25519.NewKeyFromSeed(seed)
	})
)

func newRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func pkcs1(key *rsa.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

func pkcs8(key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func record(key crypto.Signer) string {
	switch pub := key.Public().(type) {
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub)
	default:
		der, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			panic(err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	}
}

// zone answers for TXT records by name. A text "timeout" is a DNS that does not answer.
type zone struct {
	mu    sync.Mutex
	texts map[string]string
	asked map[string]int
}

func (z *zone) set(name, text string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.texts == nil {
		z.texts = make(map[string]string)
	}
	z.texts[name] = text
}

func (z *zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.asked == nil {
		z.asked = make(map[string]int)
	}
	z.asked[name]++
	switch text, ok := z.texts[name]; {
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	case text == "timeout":
		return nil, &net.DNSError{Err: "timeout", Name: name, IsTimeout: true}
	default:
		return []string{text}, nil
	}
}

func (z *zone) count(name string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked[name]
}

// records has the test keys under two selectors of any domain.
func records(_ string) func(string) ([]string, error) {
	return func(name string) ([]string, error) {
		switch {
		case strings.HasPrefix(name, "rsa."):
			return []string{record(rsaKey())}, nil
		case strings.HasPrefix(name, "ed."):
			return []string{record(ed25519Key())}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
}

const mail = "From: Anna <anna@example.com>\r\nTo: Bert <bert@example.org>\r\nSubject: Hello\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n" +
	"Message-ID: <1@example.com>\r\n\r\nHello  Bert,\r\n\r\nall is well. \r\n\r\n\r\n"

func rsaOwn() queue.DKIM {
	return queue.DKIM{Domain: "example.com", Selector: "rsa", Key: pkcs8(rsaKey())}
}

func edOwn() queue.DKIM {
	return queue.DKIM{Domain: "example.com", Selector: "ed", Key: pkcs8(ed25519Key())}
}

// streamed is a body that does not lie in memory.
func streamed(text string) queue.Body {
	r := bytes.NewReader([]byte(text))
	return io.NewSectionReader(r, 0, r.Size())
}

func text(t testing.TB, b queue.Body) string {
	data, err := queue.ReadBody(b)
	require.NoError(t, err)
	return string(data)
}

// finish signs the mail of a message as it is.
func finish(ctx context.Context, s *sign.Signer, m *queue.Message) (queue.Body, error) {
	return s.Sign(ctx, m, m.Body)
}

// signedBy signs a mail and returns the text.
func signedBy(t testing.TB, s *sign.Signer, text_ string, keys ...queue.DKIM) string {
	body, err := finish(t.Context(), s, &queue.Message{Body: queue.Bytes(text_), DKIM: keys})
	require.NoError(t, err)
	return text(t, body)
}

// verify checks all signatures with another implementation and returns "selector._domainkey.domain ok", from the top.
func verify(t testing.TB, text string) []string {
	found, err := dkim.VerifyWithOptions(strings.NewReader(text), &dkim.VerifyOptions{LookupTXT: records("")})
	require.NoError(t, err)
	list := make([]string, len(found))
	for i, v := range found {
		list[i] = v.Domain + " ok"
		if v.Err != nil {
			list[i] = v.Domain + " " + v.Err.Error()
		}
	}
	return list
}

// signatures returns the values of the DKIM-Signature fields without folds, from the top.
func signatures(text string) (list []string) {
	header, _, _ := strings.Cut(text, "\r\n\r\n")
	for field := range strings.SplitSeq(strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(header), "\r\n") {
		if v, ok := strings.CutPrefix(field, "DKIM-Signature: "); ok {
			list = append(list, v)
		}
	}
	return list
}

// tag returns a tag of a signature.
func tag(signature, name string) string {
	for t := range strings.SplitSeq(signature, ";") {
		if n, v, _ := strings.Cut(strings.TrimSpace(t), "="); n == name {
			return strings.ReplaceAll(v, " ", "")
		}
	}
	return ""
}

package sign_test

import (
	"crypto"
	"crypto/rsa"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/delivery/sign/libcrypto"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue"
)

// fast is a cache of keys that libcrypto signs with.
func fast(t testing.TB) *sign.KeyCache {
	l, err := libcrypto.Open("")
	if err != nil {
		t.Skip(err)
	}
	return &sign.KeyCache{Open: func(text string) (crypto.Signer, error) {
		key, err := sign.ParseKey(text)
		if private, is := key.(*rsa.PrivateKey); is {
			return l.Key(private)
		}
		return key, err
	}}
}

// TestBothEnginesSignAlike has libcrypto and crypto/rsa sign the same mails, with DKIM and ARC, and dkimpy verify.
func TestBothEnginesSignAlike(t *testing.T) {
	now := func() time.Time { return time.Now().Truncate(time.Hour) }
	theirs, ours := &sign.Signer{Now: now}, &sign.Signer{Now: now, Parsed: fast(t)}
	sealing := rsaOwn()
	sealing.Protocols = []string{"dkim", "arc"}
	for name, text_ := range odd {
		require.Equal(t, signedBy(t, theirs, text_, sealing, edOwn()), signedBy(t, ours, text_, sealing, edOwn()), name)
	}
	testserver.Need(t, "dkimverify")
	dir := t.TempDir()
	for name, data := range map[string]string{"rsa._domainkey.example.com": record(rsaKey()),
		"ed._domainkey.example.com": record(ed25519Key()), "mail": signedBy(t, ours, mail, sealing, edOwn())} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600))
	}
	out, err := exec.Command("/usr/bin/python3", "-c", dkimpy, dir, filepath.Join(dir, "mail")).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestKeysThatChangeWhileMailIsSigned has more keys come than are remembered: those that are forgotten are freed while
// others sign.
func TestKeysThatChangeWhileMailIsSigned(t *testing.T) {
	cache := fast(t)
	cache.Size = 2
	s := &sign.Signer{Reuse: -1, Parsed: cache}
	var keys [6]queue.DKIM
	for i := range keys {
		keys[i] = queue.DKIM{Domain: "example.com", Selector: "rsa", Key: pkcs8(newRSA(1024))}
	}
	done := make(chan error)
	for g := range 4 {
		go func() {
			for i := range 60 {
				m := &queue.Message{Body: queue.Bytes(mail), DKIM: keys[(i+g)%len(keys) : (i+g)%len(keys)+1]}
				if _, err := finish(t.Context(), s, m); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		require.NoError(t, <-done)
	}
}

func BenchmarkRSA2048Libcrypto(b *testing.B) {
	benchmark(b, rsaOwn(), &sign.Signer{Reuse: -1, Parsed: fast(b)})
}

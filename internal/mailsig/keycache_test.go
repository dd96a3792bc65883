package mailsig

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKeysThatComeAgain verifies with keys while the cache makes them faster: one that was read before that is as good,
// and what the opener says of a good signature is not believed where it is wrong.
func TestKeysThatComeAgain(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	require.NoError(t, err)
	record := "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)
	digest := sha256.Sum256(nil)
	signature, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	require.NoError(t, err)
	for name, opener := range map[string]func(asked *atomic.Int64) OpenRSA{
		"works": func(asked *atomic.Int64) OpenRSA {
			return func(*rsa.PublicKey) (func(digest, signature []byte) bool, error) {
				return func(_, got []byte) bool { asked.Add(1); return string(got) == string(signature) }, nil
			}
		},
		"denies": func(asked *atomic.Int64) OpenRSA {
			return func(*rsa.PublicKey) (func(digest, signature []byte) bool, error) {
				return func(_, _ []byte) bool { asked.Add(1); return false }, nil
			}
		},
		"fails": func(asked *atomic.Int64) OpenRSA {
			return func(*rsa.PublicKey) (func(digest, signature []byte) bool, error) {
				asked.Add(1)
				return nil, errors.New("no such key here")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			keys := &Keys{Cache: new(KeyCache), OpenRSA: opener(&asked)}
			first, err := keys.parse(record)
			require.NoError(t, err)
			require.True(t, first.rsa.verify(digest[:], signature))
			require.Zero(t, asked.Load(), "a key that comes once is not opened")
			var all sync.WaitGroup
			all.Go(func() { // a mail that got the key before
				for range 200 {
					if !first.rsa.verify(digest[:], signature) {
						t.Error("it holds")
					}
				}
			})
			for range 8 {
				all.Go(func() {
					again, err := keys.parse(record)
					if err != nil || !again.rsa.verify(digest[:], signature) || !first.rsa.verify(digest[:], signature) {
						t.Error("it holds", err)
					}
				})
			}
			all.Wait()
			require.Positive(t, asked.Load())
			require.False(t, first.rsa.verify(digest[:], signature[1:]))
		})
	}
}

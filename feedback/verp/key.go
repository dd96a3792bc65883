package verp

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
)

// Key signs tokens. Printing one shows no secret.
type Key struct {
	ID     int64     // tokens name it by its lowest three bits
	Made   time.Time // a key is used once all instances had time to learn of it
	Secret Secret
}

// Secret is what a key is kept secret for: 16 bytes at least. It shows as asterisks.
type Secret []byte

// Format hides the secret from every verb of package fmt.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("*****")) }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("*****"), nil }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("*****") }

// keyBits are those of a key's id that tokens have.
const keyBits = 7

// signer is a key at work.
type signer struct {
	id   byte
	made time.Time
	macs sync.Pool // of *mac
}

// mac is a keyed hash, with room for what goes in and comes out: on the stack it would be allocated for each.
type mac struct {
	hash.Hash
	text [512]byte // what is signed
	sum  [sha256.Size]byte
}

func newSigner(k Key) *signer {
	secret := slices.Clone(k.Secret)
	s := &signer{id: byte(k.ID & keyBits), made: k.Made}
	s.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }
	return s
}

func (s *signer) mac() *mac { return s.macs.Get().(*mac) }

func (s *signer) done(m *mac) { s.macs.Put(m) }

// What is signed begins with what it is, so that nothing signed as the one passes for the other.
const (
	forToken     = 't'
	forRecipient = 'r'
)

// sign returns the HMAC of data, which is valid until the next call.
func (m *mac) sign(purpose byte, data []byte) *[sha256.Size]byte {
	m.Reset()
	m.sum[0] = purpose
	_, _ = m.Write(m.sum[:1])
	_, _ = m.Write(data)
	m.Sum(m.sum[:0])
	return &m.sum
}

// check returns the check of a recipient. Case makes no difference: servers on the way change it.
func (m *mac) check(recipient string) [checkSize]byte {
	sum := m.sign(forRecipient, append(m.text[:0], addr.FoldAddress(recipient)...))
	return [checkSize]byte(sum[:checkSize])
}

// ring is the keys in force, the newest first.
type ring []*signer

// signing returns the newest key that was made before a time, or else the oldest: nil when there is none.
func (r ring) signing(before time.Time) *signer {
	for _, s := range r {
		if !s.made.After(before) {
			return s
		}
	}
	if len(r) == 0 {
		return nil
	}
	return r[len(r)-1]
}

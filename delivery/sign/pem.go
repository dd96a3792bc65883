package sign

import (
	"cmp"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/lru"
)

// Limits on keys. maxPEM has room for RSA keys of 8,192 bits; smaller ones than 1,024 must not be used (RFC 8301 §3.2).
const (
	maxPEM  = 16 << 10 // bytes of text
	MinBits = 1024
	maxBits = 8192
)

// KeyError tells why a text is not a key to sign with. It quotes nothing of the text.
type KeyError string

// Error returns what was found instead of a key.
func (e KeyError) Error() string { return string(e) }

// wantKey is what is expected where a KeyError says what was found.
const wantKey = "an RSA or Ed25519 private key as PEM"

// ParseKey reads a private key: RSA (PKCS #1 or PKCS #8) or Ed25519 (PKCS #8) in PEM. Text around the PEM block does
// not matter. The error is a KeyError.
func ParseKey(text string) (crypto.Signer, error) {
	if len(text) > maxPEM {
		return nil, KeyError("a text of " + strconv.Itoa(len(text)) + " bytes")
	}
	if strings.TrimSpace(text) == "" {
		return nil, KeyError("nothing")
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, KeyError("a text without a whole PEM block")
	}
	if block.Headers["DEK-Info"] != "" || block.Type == "ENCRYPTED PRIVATE KEY" {
		return nil, KeyError("an encrypted key")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, KeyError("a malformed RSA key")
		}
		return usableRSA(key)
	case "PRIVATE KEY":
		return parsePKCS8(block.Bytes)
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, KeyError("a public key")
	case "CERTIFICATE":
		return nil, KeyError("a certificate")
	case "EC PRIVATE KEY", "DSA PRIVATE KEY":
		return nil, KeyError("a key of another kind")
	}
	return nil, KeyError("a PEM block of another type")
}

func parsePKCS8(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, KeyError("a malformed key")
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return usableRSA(key)
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, KeyError("a key of another kind")
}

func usableRSA(key *rsa.PrivateKey) (crypto.Signer, error) {
	if bits := key.N.BitLen(); bits < MinBits || bits > maxBits {
		return nil, KeyError("an RSA key of " + strconv.Itoa(bits) + " bits")
	}
	return key, nil
}

// goodBits is the least that an RSA key should have (RFC 8301 §3.2).
const goodBits = 2048

// Weakness says what speaks against signing with a key that can be used; "": nothing.
func Weakness(key crypto.Signer) string {
	pub, ok := key.Public().(*rsa.PublicKey)
	if !ok || pub.N.BitLen() >= goodBits {
		return ""
	}
	return fmt.Sprintf("its RSA key has %d bits, and should have at least %d", pub.N.BitLen(), goodBits)
}

// Record returns the text that the DNS has to have for a key that ParseKey returned, under SELECTOR._domainkey.DOMAIN.
// Publishing it takes strings of at most 255 bytes each, one behind the other.
func Record(key crypto.Signer) string {
	kind, data := "rsa", []byte(nil)
	switch pub := key.Public().(type) {
	case ed25519.PublicKey:
		kind, data = "ed25519", pub
	case *rsa.PublicKey:
		data, _ = x509.MarshalPKIXPublicKey(pub) // which fails for keys of other kinds only
	}
	return "v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(data)
}

// KeyCache remembers keys by their text, so that one that comes with every message, or with every snapshot of the
// settings, is parsed once. The zero KeyCache is ready; it is safe for concurrent use.
type KeyCache struct {
	Size int // keys that are remembered, those used last; zero: 1,000
	// Open makes a key of a text, in place of ParseKey. What it returns signs for as long as it is referred to, and may
	// have its private half anywhere: in another process, or in a machine made for that. Its public half is RSA or
	// Ed25519; Sign is called concurrently, and when it fails the mail waits. Nil: ParseKey.
	Open func(text string) (crypto.Signer, error)

	mu    sync.Mutex
	known lru.Cache[string, parsedKey]
}

type parsedKey struct {
	key crypto.Signer
	err error
	sum [sha256.Size]byte // of its text
}

// Parse is Open with a memory. Texts that are no key are remembered too.
func (c *KeyCache) Parse(text string) (crypto.Signer, error) {
	if c == nil || len(text) > maxPEM {
		return ParseKey(text)
	}
	open := c.Open
	if open == nil {
		open = ParseKey
	}
	c.mu.Lock()
	p, found := c.known.Get(text, time.Time{})
	c.mu.Unlock()
	if found {
		return p.key, p.err
	}
	key, err := open(text) // without the lock: it may take milliseconds
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.Limit = int64(cmp.Or(max(c.Size, 0), 1000))
	c.known.Put(text, parsedKey{key, err, sha256.Sum256([]byte(text))}, 1, time.Time{})
	return key, err
}

// sum hashes the text of a key, which is not parsed for that.
func (c *KeyCache) sum(text string) [sha256.Size]byte {
	c.mu.Lock()
	p, found := c.known.Peek(text, time.Time{})
	c.mu.Unlock()
	if found {
		return p.sum
	}
	return sha256.Sum256([]byte(text))
}

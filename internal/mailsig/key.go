package mailsig

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Resolver looks texts up, as net.Resolver does and with its errors.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// secureResolver is the add-on of a Resolver that knows what DNSSEC vouches for.
type secureResolver interface {
	LookupTXTSecure(ctx context.Context, name string) (texts []string, secure bool, err error)
}

// lookup asks for texts, and whether DNSSEC vouches for them.
func lookup(ctx context.Context, r Resolver, name string) (texts []string, secure bool, err error) {
	if s, ok := r.(secureResolver); ok {
		return s.LookupTXTSecure(ctx, name)
	}
	texts, err = r.LookupTXT(ctx, name)
	return texts, false, err
}

// maxRecord is the most bytes of a key record that are looked at: a key of 4,096 bits has under 800.
const maxRecord = 8 << 10

// Key is a published key.
type Key struct {
	Bits    int  // of the modulus; 256 for Ed25519
	Testing bool // t=y: the domain tries DKIM out
	Strict  bool // t=s: i= must be of d= itself
	Secure  bool // DNSSEC vouches for the record

	rsa     *rsaKey
	ed25519 ed25519.PublicKey
	hashes  []string // nil: any
}

// Keys gets keys.
type Keys struct {
	Resolver Resolver  // nil: net.DefaultResolver
	MaxBits  int       // the largest RSA key; 0: 4,096
	Cache    *KeyCache // nil: each record is read anew
	OpenRSA  OpenRSA   // for keys that the cache knows; nil: crypto/rsa verifies
}

// OpenRSA makes what tells whether a signature of a SHA-256 digest holds, by PKCS #1 v1.5. What it makes is called
// concurrently; where it fails crypto/rsa verifies.
type OpenRSA = func(key *rsa.PublicKey) (verify func(digest, signature []byte) bool, err error)

// Fetch gets the key that a signature names. Its error is a *Problem; the key comes along when only its size or use is
// wrong.
func (k *Keys) Fetch(ctx context.Context, domain, selector string) (*Key, error) {
	resolver := k.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	texts, secure, err := lookup(ctx, resolver, selector+"._domainkey."+domain)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return nil, problem(NoKey, "no key published")
		}
		return nil, &Problem{Kind: DNS, Text: "cannot get the key", Err: err}
	}
	record, err := choose(texts)
	if err != nil {
		return nil, err
	}
	key, err := k.parse(record)
	if key != nil {
		key.Secure = secure
	}
	return key, err
}

// choose finds the one key among the texts of a name. Other texts may stand beside it, but not a second key
// (RFC 6376 §3.6.2.2).
func choose(texts []string) (string, error) {
	found, err := "", error(nil)
	for _, text := range texts {
		if len(text) > maxRecord {
			err = problem(BadKey, "key record of "+strconv.Itoa(len(text))+" bytes")
			continue
		}
		tags, parseErr := ParseTags(text)
		if parseErr != nil {
			continue
		}
		if _, ok := tags.Get("p"); !ok || strings.HasPrefix(text, "v=DMARC") {
			continue
		}
		if found != "" {
			return "", problem(BadKey, "several keys published")
		}
		found = text
	}
	switch {
	case found != "":
		return found, nil
	case err != nil:
		return "", err
	case len(texts) == 0:
		return "", problem(NoKey, "no key published")
	}
	return "", problem(BadKey, "what is published is no key")
}

// ParseKey reads a key record (RFC 6376 §3.6.1, RFC 8463 §4). maxBits bounds RSA keys; 0 is 4,096.
func ParseKey(record string, maxBits int) (*Key, error) {
	tags, err := ParseTags(record)
	if err != nil {
		return nil, &Problem{Kind: BadKey, Text: "malformed key record", Err: err}
	}
	if i := tags.index("v"); i > 0 || i == 0 && tags[0].Value != "DKIM1" {
		return nil, problem(BadKey, "version of the key is not DKIM1")
	}
	p, ok := tags.Get("p")
	if !ok {
		return nil, problem(BadKey, "key record without a key")
	}
	if p = compact(p); p == "" {
		return nil, problem(NoKey, "key was revoked")
	}
	key := &Key{}
	if err := key.parseUse(tags); err != nil {
		return nil, err
	}
	if maxBits == 0 {
		maxBits = 4096
	}
	// The text is longer than the number in it: what is longer than this cannot be within the limit.
	if len(p) > (maxBits/8+128)*4/3 {
		return nil, problem(Refused, "key is larger than "+strconv.Itoa(maxBits)+" bits")
	}
	der, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		return nil, problem(BadKey, "key is no base64")
	}
	kind, _ := tags.Get("k")
	switch kind {
	case "", "rsa":
		return key, key.parseRSA(der, maxBits)
	case "ed25519":
		if len(der) != ed25519.PublicKeySize {
			return nil, problem(BadKey, "Ed25519 key of "+strconv.Itoa(len(der))+" bytes")
		}
		key.ed25519, key.Bits = der, 256
		return key, nil
	}
	return nil, problem(BadKey, "key of unknown type "+quote(kind))
}

// parseUse reads what a key may be used for.
func (k *Key) parseUse(tags Tags) error {
	if h, ok := tags.Get("h"); ok {
		k.hashes = list(h)
	}
	if s, ok := tags.Get("s"); ok {
		if services := list(s); !slices.Contains(services, "*") && !slices.Contains(services, "email") {
			return problem(BadKey, "key is not for mail")
		}
	}
	if t, ok := tags.Get("t"); ok {
		flags := list(t)
		k.Testing, k.Strict = slices.Contains(flags, "y"), slices.Contains(flags, "s")
	}
	return nil
}

// parseRSA reads both forms that are in use: SubjectPublicKeyInfo, and the bare RSAPublicKey that the text of RFC 6376
// names.
func (k *Key) parseRSA(der []byte, maxBits int) error {
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		pub, err = x509.ParsePKCS1PublicKey(der)
	}
	key, ok := pub.(*rsa.PublicKey)
	if err != nil || !ok {
		return problem(BadKey, "malformed RSA key")
	}
	k.Bits = key.N.BitLen()
	switch {
	case k.Bits > maxBits:
		return problem(Refused, "key of "+strconv.Itoa(k.Bits)+" bits is larger than "+strconv.Itoa(maxBits))
	case k.Bits < 1024:
		return problem(Weak, "key of "+strconv.Itoa(k.Bits)+" bits is too weak") // RFC 8301 §3.2
	}
	k.rsa = &rsaKey{public: key}
	return nil
}

// suits reports whether the key may be used with an algorithm.
func (k *Key) suits(algorithm string) bool {
	kind, hash, _ := strings.Cut(algorithm, "-")
	if k.hashes != nil && !slices.Contains(k.hashes, hash) {
		return false
	}
	return kind == "rsa" && k.rsa != nil || kind == "ed25519" && k.ed25519 != nil
}

package libcrypto

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Name is the library that Open looks for.
const Name = "libcrypto.so.3"

// Library is an open libcrypto. It stays open for as long as the program runs.
type Library struct {
	calls
	version string
	// Ours and Go are how long a signature with a key of 2,048 bits took when the library was opened, by it and by
	// crypto/rsa.
	Ours, Go time.Duration
}

// Version is the library's name and version, as "OpenSSL 3.0.17".
func (l *Library) Version() string { return l.version }

// trial is a private key that is no secret: signatures to compare are made with it.
//
//go:embed trial.pem
var trial []byte

// try compares and measures.
func (l *Library) try() error {
	block, _ := pem.Decode(trial)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return err
	}
	key := parsed.(*rsa.PrivateKey)
	signer, err := l.Key(key)
	if err != nil {
		return err
	}
	if l.Go, err = measure(key); err == nil {
		l.Ours, err = measure(signer)
	}
	if err == nil {
		err = l.tryVerifier(key)
	}
	return err
}

// tryVerifier has a signature verified that holds, and one that does not.
func (l *Library) tryVerifier(key *rsa.PrivateKey) error {
	verify, err := l.Verifier(&key.PublicKey)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(trial)
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		return err
	}
	holds := verify(digest[:], signature)
	digest[0] ^= 1
	if !holds || verify(digest[:], signature) {
		return errMisjudges
	}
	return nil
}

var errMisjudges = errors.New("it does not judge signatures as crypto/rsa does")

// measure returns how long a signature takes: the median of a few.
func measure(key crypto.Signer) (time.Duration, error) {
	var took [9]time.Duration
	digest := sha256.Sum256(trial)
	for i := range took {
		begun := time.Now()
		if _, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil {
			return 0, err
		}
		took[i] = time.Since(begun)
	}
	slices.Sort(took[:])
	return took[len(took)/2], nil
}

var errDifferent = errors.New("its signature is not that of crypto/rsa")

// compare makes a signature in both ways.
func compare(ours crypto.Signer, key *rsa.PrivateKey) error {
	digest := sha256.Sum256([]byte("is it the same key?"))
	got, err := ours.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	want, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err == nil && !bytes.Equal(got, want) {
		err = errDifferent
	}
	return err
}

// errOptions says that a signature of another kind was asked for.
func errOptions(opts crypto.SignerOpts, digest []byte) error {
	return fmt.Errorf("libcrypto: expected a digest of SHA-256, got %v and %d bytes", opts.HashFunc(), len(digest))
}

//go:build !linux || !(amd64 || arm64) || nolibcrypto

package libcrypto

import (
	"crypto"
	"crypto/rsa"
	"errors"
)

type calls struct{}

// Open fails on this system.
func Open(string) (*Library, error) {
	return nil, errors.New("this program was built without libcrypto")
}

// Key is never called: there is no Library.
func (l *Library) Key(key *rsa.PrivateKey) (crypto.Signer, error) { return key, nil }

// Verifier is never called either.
func (l *Library) Verifier(*rsa.PublicKey) (verify func(digest, signature []byte) bool, err error) {
	return nil, errors.New("this program was built without libcrypto")
}

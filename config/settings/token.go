package settings

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"strings"
)

// hashPrefix tells a hash in the table tokens from a plain token.
const hashPrefix = "sha256:"

// NewToken makes a token of 128 random bits, to be shown once, and what is stored of it.
func NewToken() (token string, hash Secret) {
	token = rand.Text()
	return token, HashToken(token)
}

// HashToken returns what the table tokens holds of a token: "sha256:" and its SHA-256 in lower case hexadecimal. Tokens
// are random and long, so that a slow hash would protect them no better.
func HashToken(token string) Secret {
	sum := sha256.Sum256([]byte(token))
	return Secret(hashPrefix + hex.EncodeToString(sum[:]))
}

// Matches tells in constant time whether a client's token is this one. It does not look at Enabled.
func (t Token) Matches(token string) bool {
	want, ok := decodeHash(string(t.Hash))
	if !ok || token == "" {
		return false
	}
	got := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], want) == 1
}

func decodeHash(s string) ([]byte, bool) {
	digits, ok := strings.CutPrefix(s, hashPrefix)
	if !ok {
		return nil, false
	}
	sum, err := hex.DecodeString(digits)
	return sum, err == nil && len(sum) == sha256.Size
}

// tokenHashed is the notice about a plain token.
const tokenHashed = "hash was a plain token and has been replaced by its SHA-256"

// reviewToken hashes a plain token that was read, and refuses to write one.
func reviewToken(t *Token, writing bool) (string, error) {
	if _, ok := decodeHash(string(t.Hash)); ok {
		return "", nil
	}
	switch {
	case writing:
		return "", errors.New("hash is not sha256: and 64 hexadecimal digits")
	case t.Hash == "":
		return "", errors.New("hash is empty")
	case strings.HasPrefix(string(t.Hash), hashPrefix):
		return "", errors.New("hash is neither sha256: and 64 hexadecimal digits nor a plain token")
	}
	t.Hash = HashToken(string(t.Hash))
	return tokenHashed, nil
}

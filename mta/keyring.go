package mta

import (
	"crypto"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"time"

	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/delivery/sign/libcrypto"
)

// keyring opens the private keys of settings and messages, and knows what signs with them.
type keyring struct {
	library *libcrypto.Library // nil: crypto/rsa signs
	text    string             // for people
	log     *slog.Logger
}

// openKeyring decides, as sign-library says, whether RSA signatures are made by libcrypto or by crypto/rsa, and tells
// which, and how fast it is.
func openKeyring(b *base) *keyring {
	k := &keyring{text: "crypto/rsa", log: b.log}
	if b.cfg.SignLibrary == "go" {
		b.log.Info("RSA signatures are made by crypto/rsa: sign-library says so")
		return k
	}
	l, err := libcrypto.Open("")
	switch {
	case err != nil && b.cfg.SignLibrary == "libcrypto":
		b.log.Warn("RSA signatures are made by crypto/rsa: sign-library cannot be had", "error", err)
	case err != nil:
		b.log.Info("RSA signatures are made by crypto/rsa", "error", err)
	case b.cfg.SignLibrary == "auto" && l.Ours >= l.Go:
		b.log.Info("RSA signatures are made by crypto/rsa: "+l.Version()+" is slower", "each", l.Go, "libcrypto", l.Ours)
	default:
		k.library = l
		k.text = fmt.Sprintf("%s, %s for a signature with RSA-2048 (crypto/rsa: %s)", l.Version(),
			l.Ours.Round(time.Microsecond), l.Go.Round(time.Microsecond))
		b.log.Info("RSA signatures are made by "+l.Version(), "each", l.Ours, "crypto/rsa", l.Go)
	}
	return k
}

// open reads a private key.
func (k *keyring) open(text string) (crypto.Signer, error) {
	key, err := sign.ParseKey(text)
	private, is := key.(*rsa.PrivateKey)
	if !is || k.library == nil {
		return key, err
	}
	fast, err := k.library.Key(private)
	if err != nil {
		k.log.Warn("a key is signed with by crypto/rsa", "error", err)
		return key, nil
	}
	return fast, nil
}

// verifier is what verifies with keys of others: nil where crypto/rsa does.
func (k *keyring) verifier() func(*rsa.PublicKey) (func(digest, signature []byte) bool, error) {
	if k.library == nil {
		return nil
	}
	return k.library.Verifier
}

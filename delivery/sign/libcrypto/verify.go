//go:build linux && (amd64 || arm64) && !nolibcrypto

package libcrypto

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// publicKey verifies with a public key in the library's memory. Making a context costs as much as half of verifying, so
// that contexts are kept and used again.
type publicKey struct {
	l        *Library
	at       uintptr // EVP_PKEY
	size     int
	contexts sync.Pool // of *verifier
}

// verifier is a context that is ready to verify. It serves one caller at a time, and keeps the key.
type verifier struct{ at uintptr }

// Verifier returns what tells whether a signature of a SHA-256 digest holds, by PKCS #1 v1.5. It is safe for concurrent
// use.
func (l *Library) Verifier(public *rsa.PublicKey) (verify func(digest, signature []byte) bool, err error) {
	at, err := l.take(l.decodePublic, x509.MarshalPKCS1PublicKey(public))
	if err != nil {
		return nil, err
	}
	k := &publicKey{l: l, at: at}
	runtime.AddCleanup(k, func(at uintptr) { purego.SyscallN(l.freeKey, at) }, at)
	size, _, _ := purego.SyscallN(l.keySize, at)
	if k.size = int(int32(size)); k.size != public.Size() {
		return nil, fmt.Errorf("libcrypto: expected a key of %d bytes, got %d", public.Size(), k.size)
	}
	v, err := k.context()
	if err != nil {
		return nil, err
	}
	k.contexts.Put(v)
	return k.verify, nil
}

// context returns one that nobody uses.
func (k *publicKey) context() (*verifier, error) {
	if v, _ := k.contexts.Get().(*verifier); v != nil {
		return v, nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	at, err := k.l.begin(k.at, k.l.initVerify)
	if err != nil {
		return nil, err
	}
	v := &verifier{at}
	free := k.l.freeContext
	runtime.AddCleanup(v, func(at uintptr) { purego.SyscallN(free, at) }, at)
	return v, nil
}

func (k *publicKey) verify(digest, signature []byte) bool {
	if len(digest) != sha256.Size || len(signature) != k.size {
		return false
	}
	v, err := k.context()
	if err != nil {
		return false
	}
	r, _, _ := purego.SyscallN(k.l.verify, v.at, uintptr(unsafe.Pointer(&signature[0])), uintptr(len(signature)),
		uintptr(unsafe.Pointer(&digest[0])), uintptr(len(digest)))
	k.contexts.Put(v)
	runtime.KeepAlive(k)
	return int32(r) == 1
}

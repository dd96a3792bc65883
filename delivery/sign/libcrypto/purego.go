//go:build linux && (amd64 || arm64) && !nolibcrypto

package libcrypto

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// calls are the functions that are called, by their addresses.
type calls struct {
	versionNum, versionText                 uintptr
	clearErrors, getError, errorText        uintptr
	decodeKey, keySize, freeKey             uintptr
	newContext, freeContext, initSign, sign uintptr
	decodePublic, initVerify, verify        uintptr
	setPadding, setDigest, sha256           uintptr
}

// What OpenSSL's headers call EVP_PKEY_RSA, RSA_PKCS1_PADDING and OPENSSL_VERSION.
const (
	kindRSA      = 6
	paddingPKCS1 = 1
	textVersion  = 0
)

// Open opens a library by the name of its file; "": Name.
func Open(name string) (*Library, error) {
	if name == "" {
		name = Name
	}
	handle, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("libcrypto: %w", err)
	}
	l := new(Library)
	if err := l.find(handle); err != nil {
		return nil, fmt.Errorf("libcrypto: %s: %w", name, err)
	}
	if err := l.try(); err != nil {
		return nil, fmt.Errorf("libcrypto: %s (%s): %w", name, l.version, err)
	}
	return l, nil
}

// find looks all functions up, once the version is known to be one that has them as they are called here.
func (l *Library) find(handle uintptr) error {
	look := func(name string) (at uintptr, err error) {
		if at, err = purego.Dlsym(handle, name); err != nil {
			err = fmt.Errorf("it has no %s", name)
		}
		return at, err
	}
	var err error
	if l.versionNum, err = look("OpenSSL_version_num"); err != nil {
		return err
	}
	if l.versionText, err = look("OpenSSL_version"); err != nil {
		return err
	}
	text, _, _ := purego.SyscallN(l.versionText, textVersion)
	l.version = brief(goString(text))
	if n, _, _ := purego.SyscallN(l.versionNum); n>>28 != 3 || !strings.HasPrefix(l.version, "OpenSSL ") {
		return fmt.Errorf("expected OpenSSL 3, got %q (%#x)", l.version, n)
	}
	for name, to := range map[string]*uintptr{
		"ERR_clear_error": &l.clearErrors, "ERR_get_error": &l.getError, "ERR_error_string_n": &l.errorText,
		"d2i_PrivateKey": &l.decodeKey, "EVP_PKEY_get_size": &l.keySize, "EVP_PKEY_free": &l.freeKey,
		"EVP_PKEY_CTX_new": &l.newContext, "EVP_PKEY_CTX_free": &l.freeContext,
		"EVP_PKEY_sign_init": &l.initSign, "EVP_PKEY_sign": &l.sign, "d2i_PublicKey": &l.decodePublic,
		"EVP_PKEY_verify_init": &l.initVerify, "EVP_PKEY_verify": &l.verify,
		"EVP_PKEY_CTX_set_rsa_padding": &l.setPadding, "EVP_PKEY_CTX_set_signature_md": &l.setDigest,
		"EVP_sha256": &l.sha256,
	} {
		if *to, err = look(name); err != nil {
			return err
		}
	}
	return nil
}

// brief is a version without the date behind it.
func brief(version string) string {
	fields := strings.Fields(version)
	return strings.Join(fields[:min(len(fields), 2)], " ")
}

// goString copies a C string.
func goString(at uintptr) string {
	const most = 256
	if at == 0 {
		return ""
	}
	p := *(**byte)(unsafe.Pointer(&at)) // memory of the library's: the collector does not know it
	n := 0
	for n < most && *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}

// failure is what the library says went wrong on this thread.
func (l *Library) failure(what string) error {
	code, _, _ := purego.SyscallN(l.getError)
	if code == 0 {
		return errors.New("libcrypto: " + what + " failed")
	}
	text := make([]byte, 256)
	purego.SyscallN(l.errorText, code, uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)))
	said, _, _ := strings.Cut(string(text), "\x00")
	purego.SyscallN(l.clearErrors)
	return errors.New("libcrypto: " + what + ": " + said)
}

// take copies a key in DER into the library's memory.
func (l *Library) take(decode uintptr, der []byte) (at uintptr, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	purego.SyscallN(l.clearErrors)
	begin := uintptr(unsafe.Pointer(&der[0]))
	at, _, _ = purego.SyscallN(decode, kindRSA, 0, uintptr(unsafe.Pointer(&begin)), uintptr(len(der)))
	runtime.KeepAlive(der)
	if at == 0 {
		return 0, l.failure("taking the key")
	}
	return at, nil
}

// begin makes a context for a key, to sign or to verify as init says, PKCS #1 v1.5 with SHA-256. The goroutine stays on
// its thread; it frees the context.
func (l *Library) begin(key, init uintptr) (ctx uintptr, err error) {
	purego.SyscallN(l.clearErrors)
	if ctx, _, _ = purego.SyscallN(l.newContext, key, 0); ctx == 0 {
		return 0, l.failure("a context")
	}
	digest, _, _ := purego.SyscallN(l.sha256)
	for _, step := range [...]struct {
		what     string
		call, to uintptr
	}{{"beginning", init, 0}, {"setting the padding", l.setPadding, paddingPKCS1}, {"setting the digest", l.setDigest, digest}} {
		if r, _, _ := purego.SyscallN(step.call, ctx, step.to); int32(r) != 1 {
			err = l.failure(step.what)
			purego.SyscallN(l.freeContext, ctx)
			return 0, err
		}
	}
	return ctx, nil
}

// key signs with a private key in the library's memory.
type key struct {
	l      *Library
	public rsa.PublicKey
	at     uintptr // EVP_PKEY
	size   int
}

// Key returns a signer that signs SHA-256 digests as crypto/rsa does with the key, PKCS #1 v1.5. It is safe for
// concurrent use.
func (l *Library) Key(private *rsa.PrivateKey) (crypto.Signer, error) {
	if err := private.Validate(); err != nil {
		return nil, fmt.Errorf("libcrypto: %w", err)
	}
	der := x509.MarshalPKCS1PrivateKey(private)
	defer clear(der)
	at, err := l.take(l.decodeKey, der)
	if err != nil {
		return nil, err
	}
	k := &key{l: l, public: private.PublicKey, at: at}
	runtime.AddCleanup(k, func(at uintptr) { purego.SyscallN(l.freeKey, at) }, at)
	size, _, _ := purego.SyscallN(l.keySize, at)
	if k.size = int(int32(size)); k.size != private.Size() {
		return nil, fmt.Errorf("libcrypto: expected a key of %d bytes, got %d", private.Size(), k.size)
	}
	if err := compare(k, private); err != nil {
		return nil, fmt.Errorf("libcrypto: %w", err)
	}
	return k, nil
}

// Public returns an *rsa.PublicKey.
func (k *key) Public() crypto.PublicKey { return &k.public }

// Sign implements crypto.Signer.
func (k *key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size {
		return nil, errOptions(opts, digest)
	}
	if _, pss := opts.(*rsa.PSSOptions); pss {
		return nil, errors.New("libcrypto: expected PKCS #1 v1.5, got PSS")
	}
	defer runtime.KeepAlive(k)
	l := k.l
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, err := l.begin(k.at, l.initSign)
	if err != nil {
		return nil, err
	}
	defer purego.SyscallN(l.freeContext, ctx)
	out, n := make([]byte, k.size), uintptr(k.size)
	r, _, _ := purego.SyscallN(l.sign, ctx, uintptr(unsafe.Pointer(&out[0])), uintptr(unsafe.Pointer(&n)),
		uintptr(unsafe.Pointer(&digest[0])), uintptr(len(digest)))
	if int32(r) != 1 || n > uintptr(len(out)) {
		return nil, l.failure("signing")
	}
	return out[:n], nil
}

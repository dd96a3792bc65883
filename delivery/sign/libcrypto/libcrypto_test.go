//go:build linux && (amd64 || arm64) && !nolibcrypto

package libcrypto_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/sign/libcrypto"
)

func open(t testing.TB) *libcrypto.Library {
	l, err := libcrypto.Open("")
	if err != nil {
		t.Skip(err)
	}
	return l
}

func TestSignaturesAreThoseOfGo(t *testing.T) {
	l := open(t)
	require.True(t, strings.HasPrefix(l.Version(), "OpenSSL 3"), l.Version())
	require.Positive(t, l.Ours)
	require.Positive(t, l.Go)
	for _, bits := range []int{1024, 1536, 2048, 3072} {
		private, err := rsa.GenerateKey(rand.Reader, bits)
		require.NoError(t, err)
		k, err := l.Key(private)
		require.NoError(t, err)
		require.True(t, private.PublicKey.Equal(k.Public()))
		for i := range 20 {
			digest := sha256.Sum256([]byte{byte(i)})
			got, err := k.Sign(nil, digest[:], crypto.SHA256)
			require.NoError(t, err)
			want, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, err = k.Sign(nil, make([]byte, 64), crypto.SHA512)
		require.ErrorContains(t, err, "expected a digest of SHA-256")
		_, err = k.Sign(nil, make([]byte, 31), crypto.SHA256)
		require.ErrorContains(t, err, "31 bytes")
		_, err = k.Sign(nil, make([]byte, 32), &rsa.PSSOptions{Hash: crypto.SHA256})
		require.ErrorContains(t, err, "PSS")
	}
}

// TestManySignAtOnce signs with keys that come and go.
func TestManySignAtOnce(t *testing.T) {
	l := open(t)
	private, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	digest := sha256.Sum256([]byte("x"))
	want, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	require.NoError(t, err)
	shared, err := l.Key(private)
	require.NoError(t, err)
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			for i := range 50 {
				k := shared
				if i%5 == 0 {
					var err error
					if k, err = l.Key(private); err != nil {
						t.Error(err)
						return
					}
				}
				if got, err := k.Sign(nil, digest[:], crypto.SHA256); err != nil || string(got) != string(want) {
					t.Errorf("%x, %v", got, err)
				}
			}
			runtime.GC()
		})
	}
	running.Wait()
}

// TestKeysAreFreed makes far more keys than would fit into the memory that is left.
func TestKeysAreFreed(t *testing.T) {
	l := open(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	use := func(n int) int {
		for range n {
			_, err := l.Key(private)
			require.NoError(t, err)
		}
		for range 3 { // cleanups run behind the collection
			runtime.GC()
		}
		return resident(t)
	}
	before := use(200)
	require.Less(t, use(3000)-before, 10<<20, "bytes that stay for 3,000 keys of over 8 KB each")
}

// resident is the memory of this process.
func resident(t *testing.T) int {
	data, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages := 0
	for _, c := range strings.Fields(string(data))[1] {
		pages = pages*10 + int(c-'0')
	}
	return pages * os.Getpagesize()
}

func TestKeysThatMakeNoSense(t *testing.T) {
	l := open(t)
	private, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	broken := *private
	broken.D = nil
	broken.Primes = nil
	require.NotPanics(t, func() {
		_, err = l.Key(&broken)
	})
	require.Error(t, err)
}

// TestOtherLibraries opens what is no OpenSSL 3, or only says so.
func TestOtherLibraries(t *testing.T) {
	_, err := libcrypto.Open("libcrypto-that-is-not-there.so.3")
	require.ErrorContains(t, err, "libcrypto-that-is-not-there")
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("needs gcc")
	}
	version := func(number, text string) string {
		return "unsigned long OpenSSL_version_num(void){return " + number + ";} const char *OpenSSL_version(int t){return \"" +
			text + "\";}\n"
	}
	v3 := version("0x300000f0L", "OpenSSL 3.0.15 3 Sep 2024")
	all := v3
	for _, f := range strings.Fields("ERR_clear_error ERR_get_error ERR_error_string_n d2i_PrivateKey EVP_PKEY_get_size " +
		"EVP_PKEY_free EVP_PKEY_CTX_new EVP_PKEY_CTX_free EVP_PKEY_sign_init EVP_PKEY_sign EVP_PKEY_CTX_set_rsa_padding " +
		"EVP_PKEY_CTX_set_signature_md EVP_sha256 d2i_PublicKey EVP_PKEY_verify_init EVP_PKEY_verify") {
		all += "long " + f + "(void){return 0;}\n"
	}
	lies := strings.NewReplacer("long d2i_PrivateKey(void){return 0;}", "long d2i_PrivateKey(void){return 1;}",
		"long EVP_PKEY_get_size(void){return 0;}", "long EVP_PKEY_get_size(void){return 256;}",
		"long EVP_PKEY_CTX_new(void){return 0;}", "long EVP_PKEY_CTX_new(void){return 1;}",
		"long EVP_PKEY_sign_init(void){return 0;}", "long EVP_PKEY_sign_init(void){return 1;}",
		"long EVP_PKEY_sign(void){return 0;}", "long EVP_PKEY_sign(void){return 1;}",
		"set_rsa_padding(void){return 0;}", "set_rsa_padding(void){return 1;}",
		"set_signature_md(void){return 0;}", "set_signature_md(void){return 1;}").Replace(all)
	for name, c := range map[string]struct{ source, want string }{
		"empty":             {"int nothing;", "it has no OpenSSL_version_num"},
		"OpenSSL 1.1":       {version("0x1010117fL", "OpenSSL 1.1.1w  11 Sep 2023"), `expected OpenSSL 3, got "OpenSSL 1.1.1w"`},
		"a fork of it":      {version("0x20000000L", "LibreSSL 3.9.2"), `expected OpenSSL 3, got "LibreSSL 3.9.2"`},
		"a fork that lies":  {version("0x30000000L", "BoringSSL"), `expected OpenSSL 3, got "BoringSSL"`},
		"symbols missing":   {v3, "it has no "},
		"refuses keys":      {all, "taking the key failed"},
		"signs incorrectly": {lies, "its signature is not that of crypto/rsa"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			source, lib := filepath.Join(dir, "x.c"), filepath.Join(dir, "x.so")
			require.NoError(t, os.WriteFile(source, []byte(c.source), 0o600))
			out, err := exec.CommandContext(t.Context(), compiler, "-shared", "-fPIC", "-o", lib, source).CombinedOutput()
			require.NoError(t, err, "%s", out)
			_, err = libcrypto.Open(lib)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestVerifierJudgesAsGoDoes has signatures of keys of all sizes verified, whole and broken, by many at once.
func TestVerifierJudgesAsGoDoes(t *testing.T) {
	l := open(t)
	for _, bits := range []int{1024, 2048, 3072, 4096} {
		private, err := rsa.GenerateKey(rand.Reader, bits)
		require.NoError(t, err)
		verify, err := l.Verifier(&private.PublicKey)
		require.NoError(t, err)
		var all sync.WaitGroup
		for i := range 8 {
			digest := sha256.Sum256([]byte{byte(i)})
			good, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
			require.NoError(t, err)
			bad := slices.Clone(good)
			bad[len(bad)-1-i] ^= 1
			all.Go(func() {
				for range 50 {
					for name, c := range map[string]struct {
						digest, signature []byte
						want              bool
					}{
						"good":      {digest[:], good, true},
						"changed":   {digest[:], bad, false},
						"short":     {digest[:], good[1:], false},
						"long":      {digest[:], append(slices.Clone(good), 0), false},
						"empty":     {digest[:], nil, false},
						"ones":      {digest[:], bytes.Repeat([]byte{0xff}, len(good)), false},
						"other":     {make([]byte, 32), good, false},
						"half":      {digest[:16], good, false},
						"no digest": {nil, good, false},
					} {
						assert.Equal(t, c.want, verify(c.digest, c.signature), name)
					}
				}
				runtime.GC() // which frees contexts
			})
		}
		all.Wait()
	}
}

func BenchmarkRSA2048(b *testing.B) {
	l := open(b)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b, err)
	k, err := l.Key(private)
	require.NoError(b, err)
	digest := sha256.Sum256(nil)
	for name, signer := range map[string]crypto.Signer{"libcrypto": k, "go": private} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := signer.Sign(nil, digest[:], crypto.SHA256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify2048(b *testing.B) {
	l := open(b)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b, err)
	verify, err := l.Verifier(&private.PublicKey)
	require.NoError(b, err)
	digest := sha256.Sum256(nil)
	signature, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	require.NoError(b, err)
	byGo := func(digest, signature []byte) bool {
		return rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, digest, signature) == nil
	}
	for name, verify := range map[string]func(digest, signature []byte) bool{"libcrypto": verify, "go": byGo} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !verify(digest[:], signature) {
					b.Fatal("it holds")
				}
			}
		})
	}
}

// Package libcrypto signs and verifies with RSA through the system's OpenSSL, which has faster arithmetic than
// crypto/rsa: with AVX-512 IFMA a signature takes less than a third of the time, without it about 0.6; verifying takes
// 0.75.
//
// The library is opened when the program runs, without cgo, on Linux with amd64 or arm64: [Open] looks for
// libcrypto.so.3, and takes only an OpenSSL of version 3 that has all that is called here. It makes signatures with a
// key that is no secret, compares them with those of crypto/rsa (a PKCS #1 v1.5 signature is determined by key and
// content), and measures both. Whatever is wrong is an error that says so, and the caller goes on with crypto/rsa.
// [Library.Key] has a key signed with by the library; its first signature is compared too. [Library.Verifier] verifies
// with a public key.
//
// Keys are copied into the library's memory. They are wiped and freed there once nothing refers to the signer any more.
// The library keeps its errors for each thread, so that a goroutine that calls it stays on its thread meanwhile. A key
// may be used by any number of goroutines at once.
//
// Only RSA comes here: Ed25519 is as fast in Go. Programs linked with this package need the system's C library to
// start; the build tag nolibcrypto leaves it out, and so do other systems: Open fails there.
package libcrypto

// Package certfile keeps a TLS certificate that lies in files up to date.
package certfile

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// File is a certificate with its key in two PEM files, read again when one of them changes. Its GetCertificate goes
// into a tls.Config. When new files cannot be read, the certificate read before stays in use. It may be used
// concurrently.
type File struct {
	// Cert holds the certificate and its chain, Key the private key.
	Cert, Key string
	// Every is how often to look whether the files have changed, at most. Zero: 10 seconds.
	Every time.Duration
	// Logger is told of files that cannot be read. Nil: slog.Default().
	Logger *slog.Logger

	mu     sync.Mutex
	looked time.Time
	seen   [2]fileState
	cert   *tls.Certificate
}

// fileState tells versions of a file apart.
type fileState struct {
	size    int64
	changed time.Time
}

// Load reads the files now, whether they have changed or not. Call it at start, to learn of mistakes.
func (f *File) Load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked = time.Now()
	seen, err := f.look()
	if err != nil {
		return err
	}
	return f.load(seen)
}

// GetCertificate returns the certificate, as tls.Config.GetCertificate.
func (f *File) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); f.cert == nil || now.Sub(f.looked) >= cmp.Or(f.Every, 10*time.Second) {
		f.looked = now
		if err := f.refresh(); err != nil {
			if f.cert == nil {
				return nil, err
			}
			cmp.Or(f.Logger, slog.Default()).Error("certificate cannot be read again, the old one stays in use", "error", err)
		}
	}
	return f.cert, nil
}

// refresh reads the files if they have changed.
func (f *File) refresh() error {
	seen, err := f.look()
	if err != nil {
		return err
	}
	if f.cert != nil && seen == f.seen {
		return nil
	}
	return f.load(seen)
}

func (f *File) look() (seen [2]fileState, err error) {
	for i, name := range []string{f.Cert, f.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return seen, fmt.Errorf("certificate: %w", err)
		}
		seen[i] = fileState{info.Size(), info.ModTime()}
	}
	return seen, nil
}

func (f *File) load(seen [2]fileState) error {
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	f.cert, f.seen = &cert, seen
	return nil
}

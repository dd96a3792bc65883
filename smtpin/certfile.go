package smtpin

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// CertFile is a certificate with its key in two PEM files, read again when one of them changes. Its GetCertificate goes into
// a tls.Config. When new files cannot be read, the certificate read before stays in use. It may be used concurrently.
type CertFile struct {
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
func (f *CertFile) Load() error {
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
func (f *CertFile) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); f.cert == nil || now.Sub(f.looked) >= or(f.Every, 10*time.Second) {
		f.looked = now
		if err := f.refresh(); err != nil {
			if f.cert == nil {
				return nil, err
			}
			or(f.Logger, slog.Default()).Error("certificate cannot be read again, the old one stays in use", "error", err)
		}
	}
	return f.cert, nil
}

// refresh reads the files if they have changed.
func (f *CertFile) refresh() error {
	seen, err := f.look()
	if err != nil {
		return err
	}
	if f.cert != nil && seen == f.seen {
		return nil
	}
	return f.load(seen)
}

func (f *CertFile) look() (seen [2]fileState, err error) {
	for i, name := range []string{f.Cert, f.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return seen, fmt.Errorf("smtpin: certificate: %w", err)
		}
		seen[i] = fileState{info.Size(), info.ModTime()}
	}
	return seen, nil
}

func (f *CertFile) load(seen [2]fileState) error {
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return fmt.Errorf("smtpin: certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	f.cert, f.seen = &cert, seen
	return nil
}

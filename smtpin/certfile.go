package smtpin

import (
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/certfile"
)

// CertFile is a certificate with its key in two PEM files, read again when one of them changes. Its GetCertificate goes
// into a tls.Config. When new files cannot be read, the certificate read before stays in use. Set the fields before
// use; it may be used concurrently.
type CertFile struct {
	// Cert holds the certificate and its chain, Key the private key.
	Cert, Key string
	// Every is how often to look whether the files have changed, at most. Zero: 10 seconds.
	Every time.Duration
	// Logger is told of files that cannot be read. Nil: slog.Default().
	Logger *slog.Logger

	once sync.Once
	file certfile.File
}

// Load reads the files now, whether they have changed or not. Call it at start, to learn of mistakes.
func (f *CertFile) Load() error { return f.files().Load() }

// GetCertificate returns the certificate, as tls.Config.GetCertificate.
func (f *CertFile) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.files().GetCertificate(hello)
}

func (f *CertFile) files() *certfile.File {
	f.once.Do(func() { f.file.Cert, f.file.Key, f.file.Every, f.file.Logger = f.Cert, f.Key, f.Every, f.Logger })
	return &f.file
}

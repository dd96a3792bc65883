package smtpin

import "github.com/sluicemail/sluice/internal/certfile"

// CertFile is a certificate with its key in two PEM files, read again when one of them changes. Its GetCertificate goes into
// a tls.Config; see [certfile.File].
type CertFile = certfile.File

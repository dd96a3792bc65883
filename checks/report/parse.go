package report

import (
	"errors"
	"fmt"
	"io"

	"github.com/sluicemail/sluice/internal/mailbody"
)

// Report is a report, read. What belongs to its kind is set, the rest is nil.
type Report struct {
	Kind     Kind
	Delivery *Delivery // of a DSN
	Reading  *Reading  // of an MDN
	Feedback *Feedback // of an ARF
	Auth     *Auth     // of a DMARC
	TLS      *TLS      // of a TLSRPT
}

// Errors of Parse. An error that is neither of them says what is wrong with the report, and where.
var (
	ErrNone  = errors.New("not a report")
	ErrLarge = errors.New("the report is too large")
)

// Limits of what is read.
const (
	maxTop      = 1 << 20  // the mail's own header
	maxSpan     = 64 << 20 // bytes of a mail in which parts may begin
	maxText     = 64 << 10 // text for people, of which a bounce may consist
	maxStatus   = 4 << 20  // fields of a DSN, MDN or ARF
	maxUnpacked = 32 << 20 // of a report on DMARC
	maxTLS      = 16 << 20 // of one on TLS
	maxTried    = 2        // attachments that are read as such a report
)

// Parse reads what a mail reports. mail has size bytes and is read during the call only. It returns ErrNone for a mail
// that Recognise does not take for a report, an error that wraps ErrLarge for one beyond the limits, and another error
// for one that cannot be understood; fields that make no sense are left out of what it returns. Nothing that it returns
// can be trusted: anybody can send any report.
func Parse(mail io.ReaderAt, size int64) (*Report, error) {
	body := sized{mail, size}
	header, err := mailbody.Header(body, maxTop)
	if err != nil {
		return nil, err
	}
	kind, read := examine(header, mail, size)
	switch {
	case kind == None:
		return nil, ErrNone
	case read != nil:
		return read, nil
	}
	r := &Report{Kind: kind}
	top := parsePart(header)
	w := walker{mail: mail, size: size, named: looksLikeSubject(subject(header))}
	leaves := w.leaves(top, int64(len(header)))
	if err := r.read(leaves); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Kind, err)
	}
	return r, nil
}

// read reads the report of its kind from the parts of a mail.
func (r *Report) read(leaves []leaf) (err error) {
	switch r.Kind {
	case DSN:
		r.Delivery, err = readDelivery(leaves)
	case MDN:
		r.Reading, err = readReading(leaves)
	case ARF:
		r.Feedback, err = readFeedback(leaves)
	case DMARC:
		r.Auth, err = readAuth(leaves)
	case TLSRPT:
		r.TLS, err = readTLS(leaves)
	}
	return err
}

// sized is a mail with its size, as mailbody wants it.
type sized struct {
	io.ReaderAt
	size int64
}

func (s sized) Size() int64 { return s.size }

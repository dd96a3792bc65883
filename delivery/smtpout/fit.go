package smtpout

import (
	"errors"

	"github.com/sluicemail/sluice/internal/mailbody"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

// unfit reports whether a mail has something that this remote may not get: bytes beyond ASCII without 8BITMIME, lone
// CRs or LFs without BINARYMIME (RFC 3030 §3).
func (c *connection) unfit(s *shape) bool {
	return s.eight && !c.ext.eightBit || s.alone > 0 && !c.takesBinary()
}

func (c *connection) takesBinary() bool { return c.ext.chunking && c.ext.binary }

// refit puts the mail, changed so that this remote may get it, in place of one that is not fit. Signatures are made
// anew over what it became.
func (c *connection) refit(m *mail) *fault {
	fit := func(body queue.Body) (queue.Body, error) { return c.fit(body, m.header, m.binary && !c.takesBinary()) }
	body, err := queue.Body(nil), error(nil)
	if m.tx.Finisher != nil {
		err = m.tx.Finisher.Finish(m.tx, fit)
		body = m.tx.Body
	} else {
		body, err = fit(m.body)
	}
	if err == nil {
		m.replace(body)
		err = m.load()
	}
	var f *fault
	var wrong *queue.PropertyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return f
	case errors.As(err, &wrong):
		return &fault{queue.StateProcess, 554, "5.6.0", printable(err.Error())}
	}
	return unreadable(err)
}

// fit returns a mail, edited but not yet signed, as this remote may get it. One that others have signed is not changed:
// their signatures would not hold any more. plain says that its header has to become ASCII, and binary that no part may
// be binary. The error is a *fault when there is no way to send it.
func (c *connection) fit(body queue.Body, plain, binary bool) (queue.Body, error) {
	m := mail{body: body}
	defer m.release()
	if err := m.load(); err != nil {
		return nil, err
	}
	if !plain && !binary && !c.unfit(&m.shape) {
		return body, nil
	}
	header, err := mailbody.Header(body, maxSigned)
	if err != nil && !errors.Is(err, mailbody.ErrLong) {
		return nil, &readError{err}
	}
	lone := m.shape.alone > 0 && !c.takesBinary()
	switch _, signed := mailheader.Find(header, "dkim-signature"); {
	case signed && plain:
		return nil, lacksUTF8(queue.StateMailFrom, "the header, which is signed,")
	case signed && binary:
		return nil, lacksBinary("signed")
	case signed:
		return body, c.asItIs(body, int64(len(header)), lone)
	}
	if plain {
		if body, err = plainHeader(body); err != nil {
			return nil, err
		}
	}
	switch {
	case binary:
		converted, ok := downConvert(body, maxBinary, true)
		if !ok {
			return nil, lacksBinary("larger than 32 MiB, or no MIME that could be changed")
		}
		return endLines(converted)
	case m.shape.eight && !c.ext.eightBit:
		if converted, ok := downConvert(body, maxConverted, false); ok {
			body = converted
		}
	}
	if !lone {
		return body, nil
	}
	return endLines(body)
}

// lacksBinary is why a mail that came as BINARYMIME cannot go to a remote without (RFC 3030 §3).
func lacksBinary(because string) *fault {
	return &fault{queue.StateMailFrom, 554, "5.6.3", "the mail is binary and " + because +
		"; the remote does not offer CHUNKING and BINARYMIME"}
}

// maxSigned is the length of the longest header that is searched for signatures.
const maxSigned = 4 << 20

// asItIs returns nil when a mail that may not be changed can go all the same, as far as is known: its content is ASCII.
// Otherwise the error is a *fault (RFC 6152 §3; X.6.3 of RFC 3463).
func (c *connection) asItIs(body queue.Body, header int64, lone bool) error {
	if lone {
		return &fault{queue.StateMailFrom, 554, "5.6.3",
			"the mail is signed and has lone CRs or LFs, which the remote does not take"}
	}
	at := int64(0)
	return eachPiece(body, func(p []byte) error {
		content := p[min(max(header-at, 0), int64(len(p))):]
		at += int64(len(p))
		if beyondASCII(content) {
			return &fault{queue.StateMailFrom, 554, "5.6.3",
				"the mail is signed and has bytes beyond ASCII; the remote does not offer 8BITMIME"}
		}
		return nil
	})
}

func (f *fault) Error() string { return f.text }

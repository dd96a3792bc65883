package dsn

import (
	"bytes"
	"strings"

	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

const (
	// maxHeader bounds the header that is returned, and maxReturned the mail; of a larger one the header is.
	maxHeader   = 64 << 10
	maxReturned = 1 << 20
)

// original is what is returned of a mail.
type original struct {
	header []byte // with the empty line's CRLF, if the mail has a body
	whole  []byte // nil: the header alone is returned
}

// readOriginal reads what ret asks for. A mail that is not there, or cannot be read, has an empty header.
func readOriginal(body queue.Body, ret string) original {
	if body == nil {
		return original{}
	}
	var o original
	buf := make([]byte, min(body.Size(), maxReturned))
	if ret != "FULL" || body.Size() > maxReturned {
		buf = buf[:min(len(buf), maxHeader)]
	}
	n, _ := body.ReadAt(buf, 0)
	buf = buf[:n]
	end, complete := mailheader.Length(buf, 0)
	if !complete && int64(n) < body.Size() {
		end = bytes.LastIndexByte(buf, '\n') + 1
	}
	o.header = buf[:min(end, maxHeader)]
	if ret == "FULL" && int64(n) == body.Size() {
		o.whole = buf
	}
	return o
}

// field returns the value of a field on one line, "" when there is none.
func (o *original) field(lower string) string {
	f, ok := mailheader.Find(o.header, lower)
	if !ok {
		return ""
	}
	return strings.TrimSpace(string(mailheader.AppendUnfolded(nil, f.Value())))
}

// content returns what is returned, and the media type of its part. global says that addresses are beyond ASCII.
func (o *original) content(global bool) (mediaType string, content []byte) {
	switch {
	case o.whole != nil && global:
		return "message/global", o.whole
	case o.whole != nil:
		return "message/rfc822", o.whole
	case global:
		return "message/global-headers", o.header
	}
	return "text/rfc822-headers", bytes.TrimRight(o.header, "\r\n")
}

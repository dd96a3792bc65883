package report

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
)

// decode undoes the transfer encoding of a part. The end of the part need not be known: base64 ends where the next
// delimiter begins, and of the others only the beginning matters.
func decode(r io.Reader, encoding string) io.Reader {
	switch encoding {
	case "base64":
		return base64.NewDecoder(base64.RawStdEncoding, &base64Text{r: bufio.NewReader(r)})
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

// base64Text passes on the characters of base64 and nothing between them. It ends at the padding, and at a dash, which
// begins the delimiter of the next part.
type base64Text struct {
	r   *bufio.Reader
	end bool
}

func (t *base64Text) Read(p []byte) (n int, err error) {
	for n < len(p) && !t.end {
		c, err := t.r.ReadByte()
		switch {
		case err != nil || c == '=' || c == '-':
			t.end = true
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
			p[n] = c
			n++
		}
	}
	if n == 0 && t.end {
		return 0, io.EOF
	}
	return n, nil
}

// sniff tells what a decoded attachment is, by its first elements. It may be compressed.
func sniff(r io.Reader) Kind {
	r, err := unpack(r)
	if err != nil {
		return None
	}
	text := bufio.NewReader(io.LimitReader(r, maxSeen))
	first, err := skipSpace(text)
	switch {
	case err != nil:
		return None
	case first == '<' && isDMARC(text):
		return DMARC
	case first == '{' && isTLSRPT(text):
		return TLSRPT
	}
	return None
}

// unpack returns what is in a compressed document; a document that is not compressed as it is.
func unpack(r io.Reader) (io.Reader, error) {
	in := bufio.NewReader(r)
	start, _ := in.Peek(len(zipEntry))
	switch {
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		return gzip.NewReader(in)
	case bytes.HasPrefix(start, zipEntry):
		return unzip(in)
	}
	return in, nil
}

// skipSpace reads up to the first character of a document, past a byte order mark, and returns it.
func skipSpace(r *bufio.Reader) (byte, error) {
	if mark, _ := r.Peek(3); string(mark) == "\xef\xbb\xbf" {
		r.Discard(3)
	}
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if c > ' ' {
			return c, r.UnreadByte()
		}
	}
}

// isDMARC reports whether a document is an aggregate report: a feedback element with metadata or a policy in it.
func isDMARC(r io.Reader) bool {
	d := xml.NewDecoder(r)
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // names are ASCII in any case
	depth := 0
	for {
		token, err := d.RawToken()
		if err != nil {
			return false
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch {
			case depth == 0 && t.Name.Local != "feedback":
				return false
			case depth == 1 && (t.Name.Local == "report_metadata" || t.Name.Local == "policy_published"):
				return true
			}
			depth++
		case xml.EndElement:
			if depth--; depth <= 0 {
				return false
			}
		}
	}
}

// isTLSRPT reports whether a document is a report on TLS (RFC 8460 §4.4): an object with most of its names.
func isTLSRPT(r io.Reader) bool {
	d := json.NewDecoder(r)
	if _, err := d.Token(); err != nil {
		return false
	}
	found := 0
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return false
		}
		switch name {
		case "organization-name", "date-range", "contact-info", "report-id", "policies":
			if found++; found == 3 {
				return true
			}
		}
		if skipValue(d) != nil {
			return false
		}
	}
	return false
}

// skipValue reads over a value of any kind.
func skipValue(d *json.Decoder) error {
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth <= 0 {
			return nil
		}
	}
}

// zipEntry begins each entry of a zip file.
var zipEntry = []byte("PK\x03\x04")

// Layout and values of the header of an entry (APPNOTE.TXT §4.3.7).
const (
	zipHeader   = 30
	zipFlags    = 6
	zipMethod   = 8
	zipPacked   = 18
	zipNameLen  = 26
	zipExtraLen = 28

	zipEncrypted = 1
	zipStored    = 0
	zipDeflated  = 8
	zipMost      = 8 // entries that are looked at for the first one that is a file
)

var errZip = errors.New("report: not a zip file that can be read")

// unzip returns the first file of an archive, unpacked, without the directory at the archive's end: what is read is
// bounded by who reads.
func unzip(r *bufio.Reader) (io.Reader, error) {
	for range zipMost {
		var h [zipHeader]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return nil, err
		}
		flags, method := binary.LittleEndian.Uint16(h[zipFlags:]), binary.LittleEndian.Uint16(h[zipMethod:])
		if !bytes.HasPrefix(h[:], zipEntry) || flags&zipEncrypted != 0 {
			return nil, errZip
		}
		name := make([]byte, binary.LittleEndian.Uint16(h[zipNameLen:]))
		if _, err := io.ReadFull(r, name); err != nil {
			return nil, err
		}
		if _, err := r.Discard(int(binary.LittleEndian.Uint16(h[zipExtraLen:]))); err != nil {
			return nil, err
		}
		switch {
		case strings.HasSuffix(string(name), "/") && binary.LittleEndian.Uint32(h[zipPacked:]) == 0: // a folder
		case method == zipDeflated:
			return flate.NewReader(r), nil
		case method == zipStored:
			return r, nil
		default:
			return nil, errZip
		}
	}
	return nil, errZip
}

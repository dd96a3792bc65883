package report

import (
	"io"
	"mime"
	"path"
	"strings"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// maxValue is the length of the longest field value that is parsed, in bytes.
const maxValue = 4 << 10

// part is what the header of a part says.
type part struct {
	mediaType string // in lower case; "text/plain" where it does not say
	boundary  string
	encoding  string // in lower case
	filename  string // in lower case
}

// parsePart reads the header of a part, or of a mail. Of fields that come twice, the first counts.
func parsePart(header []byte) part {
	var p part
	var name string
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		switch {
		case !f.HasPrefix("content-"):
		case f.Is("content-type") && p.mediaType == "":
			var params map[string]string
			p.mediaType, params = parseParams(fieldText(f))
			p.boundary, name = params["boundary"], params["name"]
		case f.Is("content-transfer-encoding") && p.encoding == "":
			p.encoding = strings.ToLower(fieldText(f))
		case f.Is("content-disposition") && p.filename == "":
			_, params := parseParams(fieldText(f))
			p.filename = params["filename"]
		}
	}
	if p.mediaType == "" {
		p.mediaType = "text/plain"
	}
	if p.filename == "" {
		p.filename = name
	}
	p.filename = strings.ToLower(decodeWords(p.filename))
	return p
}

func (p *part) multipart() bool { return strings.HasPrefix(p.mediaType, "multipart/") }

// mayBeReport reports whether the content of a part is worth a look. With named, the subject says that there is a
// report.
func (p *part) mayBeReport(named bool) bool {
	switch path.Ext(p.filename) {
	case ".xml", ".gz", ".gzip", ".zip", ".json":
		return true
	}
	switch p.mediaType {
	case "application/gzip", "application/x-gzip", "application/zip", "application/x-zip", "application/x-zip-compressed",
		"application/xml", "text/xml", "application/json":
		return true
	}
	return named && !strings.HasPrefix(p.mediaType, "text/")
}

// namedLikeDMARC reports whether a file is named as aggregate reports are: receiver!domain!begin!end[!id].xml, perhaps
// compressed (RFC 7489 §7.2.1.1).
func (p *part) namedLikeDMARC() bool {
	words := strings.Split(p.filename, "!")
	if len(words) < 4 || len(words) > 5 {
		return false
	}
	last := &words[len(words)-1]
	name, _, dotted := strings.Cut(*last, ".")
	if len(words) == 4 {
		*last = name
	}
	return dotted && words[0] != "" && words[1] != "" && isDigits(words[2]) && isDigits(words[3])
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// fieldText returns the value of a field on one line.
func fieldText(f mailheader.Field) string {
	value := f.Value()
	return readable(strings.TrimSpace(string(mailheader.AppendUnfolded(nil, value[:min(len(value), maxValue)]))))
}

// parseParams reads a value such as "text/plain; charset=utf-8", as well as it can be read.
func parseParams(value string) (mediaType string, params map[string]string) {
	mediaType, params, err := mime.ParseMediaType(value)
	if err == nil {
		return mediaType, params
	}
	params = make(map[string]string)
	first, rest, _ := strings.Cut(value, ";")
	for rest != "" {
		var name, text string
		name, rest, _ = strings.Cut(rest, "=")
		name = name[strings.LastIndexByte(name, ';')+1:] // past what has no value
		text, rest = looseValue(strings.TrimSpace(rest))
		params[strings.ToLower(strings.TrimSpace(name))] = text
	}
	return strings.ToLower(strings.TrimSpace(first)), params
}

// looseValue takes a value and what separates it from the next parameter off the start of s.
func looseValue(s string) (value, rest string) {
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		value, rest, _ = strings.Cut(quoted, `"`)
		_, rest, _ = strings.Cut(rest, ";")
		return value, rest
	}
	value, rest, _ = strings.Cut(s, ";")
	return strings.TrimSpace(value), rest
}

// decodeWords decodes the encoded words of RFC 2047, where it can.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	d := mime.WordDecoder{CharsetReader: func(_ string, in io.Reader) (io.Reader, error) {
		text, err := io.ReadAll(in)
		return strings.NewReader(plain(string(text), "")), err // of other character sets, what is ASCII in them
	}}
	if decoded, err := d.DecodeHeader(s); err == nil {
		return decoded
	}
	return s
}

// subject returns the subject of a mail.
func subject(header []byte) string {
	f, ok := mailheader.Find(header, "subject")
	if !ok {
		return ""
	}
	return decodeWords(fieldText(f))
}

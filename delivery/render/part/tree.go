package part

import (
	"bytes"
	"mime"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// The limits of a mail. Beyond them it is an *Error.
const (
	maxDepth  = 32      // of multiparts in each other
	maxParts  = 1000    // of all kinds
	maxHeader = 1 << 20 // bytes, of each part
)

// walker finds the texts of a mail.
type walker struct {
	mail       *Mail
	parts      int
	boundaries [][]byte // of the multiparts around the part that is looked at
}

// entity is a mail or part of one.
type entity struct {
	name       string // for errors
	body, end  int    // where its body is in the mail
	header     int    // where the empty line is, or body
	mediaType  string
	params     map[string]string
	encoding   string
	attachment bool
	top        bool             // it is the mail
	typeField  mailheader.Field // Content-Type, as it is in the mail; without Raw: there is none
	codeField  mailheader.Field // Content-Transfer-Encoding, likewise
}

// top looks at the mail itself.
func (w *walker) top() error {
	raw := w.mail.raw
	if mailheader.Headless(raw) {
		return &Error{"mail", "expected a header, got a text"}
	}
	s := mailheader.NewScanner(raw)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		switch {
		case f.Is("subject"):
			w.mail.addField("Subject", f)
		case f.Is("from"):
			w.mail.addField("From", f)
		case f.Is("to"):
			w.mail.addField("To", f)
		case f.Is("mime-version"):
			w.mail.versioned = true
		}
	}
	return w.entity(0, len(raw), "", "text/plain", 0)
}

// entity looks at the mail or part that is raw[start:end]; path is its number, as 1.2, and ordinary what it is when it
// has no type.
func (w *walker) entity(start, end int, path, ordinary string, depth int) error {
	if w.parts++; w.parts > maxParts {
		return &Error{"mail", "more than " + strconv.Itoa(maxParts) + " parts"}
	}
	if depth > maxDepth {
		return &Error{"mail", "parts nested deeper than " + strconv.Itoa(maxDepth) + " levels"}
	}
	e, err := w.read(start, end, path, ordinary)
	if err != nil {
		return err
	}
	switch {
	case e.mediaType == "multipart/signed" || smime(e, "signed-data"):
		return &Error{e.name, "it is signed, and cannot be changed"}
	case e.mediaType == "multipart/encrypted" || smime(e, ""):
		return &Error{e.name, "it is encrypted, and cannot be changed"}
	case strings.HasPrefix(e.mediaType, "multipart/"):
		return w.multipart(e, path, depth)
	case e.attachment:
		return nil
	case e.mediaType == "text/plain":
		w.addPart(e, Plain)
	case e.mediaType == "text/html":
		w.addPart(e, HTML)
	}
	return nil
}

// smime reports whether a part is of S/MIME, and of this kind unless that is "" (RFC 8551 §3.2).
func smime(e *entity, kind string) bool {
	if e.mediaType != "application/pkcs7-mime" && e.mediaType != "application/x-pkcs7-mime" {
		return false
	}
	return kind == "" || strings.EqualFold(e.params["smime-type"], kind)
}

// read reads the header of a part.
func (w *walker) read(start, end int, path, ordinary string) (*entity, error) {
	raw := w.mail.raw[:end]
	n, complete := mailheader.Length(raw[start:min(end, start+maxHeader)], 0)
	if !complete && end-start > maxHeader {
		return nil, &Error{partName(path, ""), "its header is longer than " + strconv.Itoa(maxHeader) + " bytes"}
	}
	e := &entity{body: start + n, end: end, mediaType: ordinary}
	disposition := ""
	s := mailheader.NewScanner(raw[start:e.body])
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		switch {
		case len(f.Name()) == 0:
		case f.Is("content-type") && e.typeField.Raw == nil:
			e.typeField = moved(f, start)
		case f.Is("content-transfer-encoding") && e.codeField.Raw == nil:
			e.codeField = moved(f, start)
			e.encoding = strings.ToLower(string(f.Value()))
		case f.Is("content-disposition"):
			disposition = string(mailheader.AppendUnfolded(nil, f.Value()))
		}
	}
	e.header = start + s.Offset()
	if e.typeField.Raw != nil {
		e.mediaType, e.params = mediaType(e.typeField)
	}
	e.name, e.top = partName(path, e.mediaType), path == ""
	e.attachment = isAttachment(disposition)
	return e, nil
}

func moved(f mailheader.Field, by int) mailheader.Field {
	f.Start += by
	f.End += by
	return f
}

// mediaType reads a Content-Type. One that cannot be read is nobody's text, and stays as it is.
func mediaType(f mailheader.Field) (string, map[string]string) {
	value := string(mailheader.AppendUnfolded(nil, f.Value()))
	kind, params, err := mime.ParseMediaType(value)
	if err != nil && kind == "" {
		kind, _, _ = strings.Cut(value, ";")
		return strings.ToLower(strings.TrimSpace(kind)), nil
	}
	return kind, params
}

func isAttachment(disposition string) bool {
	if disposition == "" {
		return false
	}
	kind, params, _ := mime.ParseMediaType(disposition)
	if kind == "" {
		kind, _, _ = strings.Cut(disposition, ";")
	}
	return strings.EqualFold(strings.TrimSpace(kind), "attachment") || params["filename"] != ""
}

func partName(path, mediaType string) string {
	name := "mail"
	if path != "" {
		name = "part " + path
	}
	if mediaType == "" {
		return name
	}
	if len(mediaType) > 80 {
		mediaType = mediaType[:80]
	}
	return name + " (" + strings.ToValidUTF8(mediaType, "?") + ")"
}

// multipart looks at the parts of a part.
func (w *walker) multipart(e *entity, path string, depth int) error {
	boundary := e.params["boundary"]
	if boundary == "" {
		return &Error{e.name, "its Content-Type has no boundary that can be read"}
	}
	w.boundaries = append(w.boundaries, []byte(boundary))
	defer func() { w.boundaries = w.boundaries[:len(w.boundaries)-1] }()
	d := delimiters{raw: w.mail.raw[:e.end], at: e.body, boundary: []byte(boundary)}
	ordinary := "text/plain"
	if e.mediaType == "multipart/digest" {
		ordinary = "message/rfc822" // RFC 2046 §5.1.5
	}
	start, number := -1, 0
	for {
		line, next, closing := d.next()
		if start >= 0 {
			number++
			child := strconv.Itoa(number)
			if path != "" {
				child = path + "." + child
			}
			if err := w.entity(start, partEnd(w.mail.raw, start, line), child, ordinary, depth+1); err != nil {
				return err
			}
		}
		if closing || next < 0 {
			break
		}
		start = next
	}
	if number == 0 {
		return &Error{e.name, "its boundary does not occur in it"}
	}
	return nil
}

// partEnd returns where a part ends before a delimiter: the line break in front of it belongs to the delimiter.
func partEnd(raw []byte, start, line int) int {
	part := raw[start:line]
	part = bytes.TrimSuffix(part, []byte("\n"))
	if len(part) < line-start {
		part = bytes.TrimSuffix(part, []byte("\r"))
	}
	return start + len(part)
}

package part

import (
	"slices"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// Text is a text of a mail.
type Text struct {
	Name string // "Subject", "From", "To", or "part 1.2 (text/html)"; for errors
	Kind Kind

	mail       *Mail
	field      mailheader.Field // of Subject and Addresses
	entity     *entity          // of Plain and HTML
	boundaries [][]byte         // around the part
	decoded    []byte
	charset    charset
	err        error
	done       bool
}

func (m *Mail) addField(name string, f mailheader.Field) {
	t := &Text{Name: name, Kind: Addresses, mail: m, field: f}
	if name == "Subject" {
		t.Kind = Subject
	}
	m.texts = append(m.texts, t)
}

func (w *walker) partText(e *entity, kind Kind) *Text {
	return &Text{Name: e.name, Kind: kind, mail: w.mail, entity: e, boundaries: slices.Clone(w.boundaries)}
}

// Decode returns the text in UTF-8: of a part, with line ends as they are in the mail; of a field, on one line. Do not
// change it. An error is an *Error.
func (t *Text) Decode() ([]byte, error) {
	if t.done {
		return t.decoded, t.err
	}
	t.done = true
	var err error
	if t.entity == nil {
		t.decoded, err = t.decodeField()
	} else {
		t.decoded, err = t.decodePart()
	}
	if err != nil {
		t.err = &Error{t.Name, err.Error()}
	}
	return t.decoded, t.err
}

func (t *Text) decodePart() ([]byte, error) {
	data, err := t.mail.decodeTransfer(t.entity.encoding, t.mail.raw[t.entity.body:t.entity.end])
	if err != nil {
		return nil, err
	}
	t.charset, err = findCharset(t.entity.params["charset"])
	if err != nil {
		return nil, err
	}
	return t.charset.decode(data)
}

// Set puts a text in the place of this one. It is UTF-8; line ends of any kind become CRLF in a part, and blanks in a
// field. Each text is set once at most, after it was decoded, and is not changed before Mail.Append is done.
// An error is an *Error.
func (t *Text) Set(text []byte) error {
	if _, err := t.Decode(); err != nil {
		return err
	}
	if t.entity == nil {
		return t.setField(text)
	}
	return t.setPart(text)
}

func (t *Text) setPart(text []byte) error {
	e := t.entity
	text = crlf(text)
	charset, data := t.charset.encode(text)
	encoding := fitting(e.encoding, data, t.boundaries)
	if !t.charset.same(charset) {
		t.changeField(e.typeField, "Content-Type", withCharset(e, charset.name))
	}
	if encoding != e.encoding {
		t.changeField(e.codeField, "Content-Transfer-Encoding", encoding)
	}
	data = t.mail.encodeTransfer(encoding, data)
	if e.header == e.body {
		data = append([]byte("\r\n"), data...) // a header without an end
	}
	t.mail.changes = append(t.mail.changes, change{e.body, e.end, data})
	return nil
}

// changeField has a field of the part's header say something else, or adds it at the end of the header.
func (t *Text) changeField(f mailheader.Field, name, value string) {
	start, end := f.Start, f.End
	if f.Raw == nil {
		start, end = t.entity.header, t.entity.header
	}
	field := mailheader.AppendField(nil, name, value)
	if !t.mail.versioned && t.entity.top {
		t.mail.versioned = true
		field = append(field, "MIME-Version: 1.0\r\n"...)
	}
	t.mail.changes = append(t.mail.changes, change{start, end, field})
}

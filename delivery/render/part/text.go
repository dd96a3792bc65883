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
	charset    charset
	unknown    error // there is no such charset
}

func (m *Mail) addField(name string, f mailheader.Field) {
	t := &Text{Name: name, Kind: Addresses, mail: m, field: f}
	if name == "Subject" {
		t.Kind = Subject
	}
	m.texts = append(m.texts, t)
}

func (w *walker) addPart(e *entity, kind Kind) {
	t := &Text{Name: e.name, Kind: kind, mail: w.mail, entity: e, boundaries: slices.Clone(w.boundaries)}
	t.charset, t.unknown = findCharset(e.params["charset"])
	w.mail.texts = append(w.mail.texts, t)
}

// Decode returns the text in UTF-8: of a part, with line ends as they are in the mail; of a field, on one line. Do not
// change it. An error is an *Error.
func (t *Text) Decode() ([]byte, error) {
	decode := t.decodePart
	if t.entity == nil {
		decode = t.decodeField
	}
	decoded, err := decode()
	if err != nil {
		return nil, &Error{t.Name, err.Error()}
	}
	return decoded, nil
}

func (t *Text) decodePart() ([]byte, error) {
	data, err := decodeTransfer(t.entity.encoding, t.mail.raw[t.entity.body:t.entity.end])
	if err != nil {
		return nil, err
	}
	if t.unknown != nil {
		return nil, t.unknown
	}
	return t.charset.decode(data)
}

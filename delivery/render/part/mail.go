package part

// Kind is what a Text is.
type Kind uint8

// The kinds of texts.
const (
	Subject   Kind = iota // of the mail
	Addresses             // From or To
	Plain                 // a part of type text/plain
	HTML                  // a part of type text/html
)

// Mail is a mail that was taken apart. It refers to the bytes it was made of. It is not changed, and safe for
// concurrent use.
type Mail struct {
	raw       []byte
	texts     []*Text
	versioned bool // it has a field MIME-Version
}

// Parse takes a mail apart. Do not change mail as long as the result is in use. Errors are *Error.
func Parse(mail []byte) (*Mail, error) {
	m := &Mail{raw: mail}
	w := walker{mail: m}
	if err := w.top(); err != nil {
		return nil, err
	}
	return m, nil
}

// Texts returns the texts of the mail in their order.
func (m *Mail) Texts() []*Text { return m.texts }

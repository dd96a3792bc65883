package queue

import (
	"bytes"

	"github.com/sluicemail/sluice/internal/rawjson"
)

const byteOrderMark = "\uFEFF"

// Unmarshal reads the JSON of a message. It does not refer to data afterwards.
//
// Numbers and booleans may come as strings, time stamps as [ParseTime] reads them; a byte order mark in front is
// skipped. Of properties with the same name the last one counts; null means absent. Properties that are not known are
// kept in Extra, unknown members of a known object in Extra under the name of that object; AppendJSON puts them back in
// their places, and writes what did not change meanwhile in the form in which it came. A mime property in a string gets
// CRLF line ends.
//
// When data is not JSON, not an object, or nested more than 1000 deep, the message is nil and the error is a
// *SyntaxError. When a property has a wrong type or an impossible value, or the recipient is missing, the error is a
// *PropertyError for the first of them; the message is complete but for these properties, which are in Extra as they
// came.
func Unmarshal(data []byte) (*Message, error) {
	text := bytes.TrimPrefix(data, []byte(byteOrderMark))
	if err := checkJSON(text); err != nil {
		err.Offset += int64(len(data) - len(text))
		return nil, err
	}
	v := value(rawjson.TrimSpace(text))
	if !v.isObject() {
		return nil, &SyntaxError{Offset: int64(len(data) - len(v)), Reason: "expected an object, got " + v.kind()}
	}
	m := new(Message)
	d := new(decoder)
	failed := readObject(d, messageTable, v, m, &m.Extra, &m.forms)
	if err := d.finishMIME(m); failed == nil {
		failed = err
	}
	if failed == nil && m.Recipient == "" {
		failed = &PropertyError{Property: "recipient", Want: "an address", Got: "nothing"}
	}
	if failed != nil {
		return m, failed
	}
	return m, nil
}

// AppendJSON appends the JSON of the whole message, mail and secrets included, to dst. What Unmarshal makes of it
// equals m, but for times, which are kept to the second, NextAttempt rounded up, the others down, and text that is not
// UTF-8. A mail that is not UTF-8 is written in base64, so that its bytes survive. When the mail cannot be read the
// error is a *DamageError and dst is returned as it was.
func AppendJSON(dst []byte, m *Message) ([]byte, error) {
	e := encoder{dst: dst}
	writeObject(&e, messageTable, m, m.Extra, m.forms)
	if e.err != nil {
		return dst, e.err
	}
	return e.dst, nil
}

// AppendRecord appends the JSON of the message without the mail and without secrets: DKIM keys, the smarthost's
// password, and whatever could not be understood of these properties. It is what logs and consoles show, and makes
// *Message a monitor.Record.
func (m *Message) AppendRecord(dst []byte) []byte {
	e := encoder{dst: dst, record: true}
	writeObject(&e, messageTable, m, m.Extra, m.forms)
	return e.dst
}

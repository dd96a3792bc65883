// Package extract makes the property extracted of a message: what programs that read results want to know of its mail.
package extract

import (
	"bytes"
	"encoding/json"
	"mime"
	"strings"

	"github.com/emersion/go-message/charset"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/internal/rawjson"
	"github.com/sluicemail/sluice/queue"
)

// maxHeader is how much of a mail is read to extract properties from its header.
const maxHeader = 64 << 10

// Properties makes the property extracted (MailerQ 5.13, json-results): the address in From, all in To, the subject
// decoded, all fields by their names, and the parts of both addresses of the envelope. It is written by hand: with a
// results queue, that happens for every message.
func Properties(m *queue.Message) json.RawMessage {
	header := readHeader(m.Body)
	dst := make([]byte, 0, 256+2*len(header))
	dst = append(dst, '{')
	var room [32]headerField
	if fields := readFields(room[:0], header); len(fields) > 0 {
		dst = appendKnown(dst, fields)
		dst = appendFields(dst, fields)
	}
	dst = append(dst, `"envelope":`...)
	dst = appendAddress(dst, m.Envelope)
	dst = append(dst, `,"recipient":`...)
	dst = appendAddress(dst, m.Recipient)
	return append(dst, '}')
}

func appendAddress(dst []byte, address string) []byte {
	local, domain := addr.Split(address)
	dst = append(dst, `{"domain":`...)
	dst = rawjson.AppendString(dst, domain)
	dst = append(dst, `,"local":`...)
	dst = rawjson.AppendString(dst, local)
	return append(dst, '}')
}

// headerField is a field and where the next one of its name is.
type headerField struct {
	mailheader.Field
	next  int // of the same name; zero: none
	later bool
}

// readFields reads the fields of a header.
func readFields(fields []headerField, header []byte) []headerField {
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		if len(f.Name()) > 0 { // otherwise it is not a field
			fields = append(fields, headerField{Field: f})
		}
	}
	if len(fields) <= 64 {
		for i := range fields {
			linkNear(fields, i)
		}
		return fields
	}
	last := make(map[string]int, len(fields))
	for i := range fields {
		name := strings.ToLower(string(fields[i].Name()))
		if before, found := last[name]; found {
			fields[before].next, fields[i].later = i, true
		}
		last[name] = i
	}
	return fields
}

// linkNear finds the field of the same name that is next.
func linkNear(fields []headerField, i int) {
	name := fields[i].Name()
	for k := i + 1; k < len(fields); k++ {
		if other := fields[k].Name(); len(other) == len(name) && bytes.EqualFold(other, name) {
			fields[i].next, fields[k].later = k, true
			return
		}
	}
}

// appendKnown appends from, to and subject, as far as there are such fields; a comma follows each.
func appendKnown(dst []byte, fields []headerField) []byte {
	var room [8][]byte
	to := -1
	for i := range fields {
		f := &fields[i]
		switch {
		case f.later:
		case f.Is("from"):
			if list := mailheader.AppendAddresses(room[:0], f.Value(), 1); len(list) > 0 {
				dst = append(rawjson.AppendString(append(dst, `"from":`...), list[0]), ',')
			}
		case f.Is("to"):
			to = i
		case f.Is("subject"):
			dst = append(rawjson.AppendString(append(dst, `"subject":`...), decoded(f.Value())), ',')
		}
	}
	if to < 0 {
		return dst
	}
	var list [][]byte = room[:0]
	for i, more := to, true; more; i, more = fields[i].next, fields[i].next > 0 {
		list = mailheader.AppendAddresses(list, fields[i].Value(), 0)
	}
	dst = append(dst, `"to":[`...)
	for i, address := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, address)
	}
	return append(dst, "],"...)
}

// decoded returns the text of a field, encoded words (RFC 2047) decoded where their character set is known.
func decoded(value []byte) []byte {
	text := mailheader.AppendUnfolded(nil, value)
	if !bytes.Contains(text, []byte("=?")) {
		return text
	}
	d := mime.WordDecoder{CharsetReader: charset.Reader}
	if plain, err := d.DecodeHeader(string(text)); err == nil {
		return []byte(plain)
	}
	return text
}

// appendFields appends the values of all fields under their names in lower case, several of one name as an array; a
// comma follows.
func appendFields(dst []byte, fields []headerField) []byte {
	dst = append(dst, `"headers":{`...)
	for i := range fields {
		if fields[i].later {
			continue
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendName(dst, fields[i].Name()), ':')
		if fields[i].next == 0 {
			dst = appendValue(dst, fields[i].Value())
			continue
		}
		dst = append(dst, '[')
		dst = appendValue(dst, fields[i].Value())
		for k := fields[i].next; k > 0; k = fields[k].next {
			dst = appendValue(append(dst, ','), fields[k].Value())
		}
		dst = append(dst, ']')
	}
	return append(dst, "},"...)
}

// appendName appends the name of a field, which is ASCII, in lower case.
func appendName(dst, name []byte) []byte {
	start := len(dst)
	dst = rawjson.AppendString(dst, name)
	for i, c := range dst[start:] {
		if 'A' <= c && c <= 'Z' {
			dst[start+i] = c + 'a' - 'A'
		}
	}
	return dst
}

func appendValue(dst, value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return rawjson.AppendString(dst, value)
	}
	return rawjson.AppendString(dst, mailheader.AppendUnfolded(nil, value))
}

// readHeader returns the beginning of a mail, as far as its header goes.
func readHeader(body queue.Body) []byte {
	if body == nil {
		return nil
	}
	var head []byte
	if m, ok := body.(interface{ Bytes() []byte }); ok {
		head = m.Bytes()
		head = head[:min(len(head), maxHeader)]
	}
	if head == nil {
		head = make([]byte, min(body.Size(), maxHeader))
		n, _ := body.ReadAt(head, 0)
		head = head[:n]
	}
	end, _ := mailheader.Length(head, 0)
	return head[:end]
}

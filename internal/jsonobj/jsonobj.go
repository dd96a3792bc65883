// Package jsonobj writes small flat JSON objects without reflection: the results of checks, which every mail has.
package jsonobj

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Object is a JSON object that is being written. Its zero value is an empty one.
//
//	var o jsonobj.Object
//	o.String("spf", "pass")
//	raw := o.JSON()
type Object struct{ buf []byte }

// name begins a member.
func (o *Object) name(name string) {
	if o.buf == nil {
		o.buf = append(make([]byte, 0, 192), '{')
	} else {
		o.buf = append(o.buf, ',')
	}
	o.buf = append(AppendString(o.buf, name), ':')
}

// String adds a member whose value is a string.
func (o *Object) String(name, value string) {
	o.name(name)
	o.buf = AppendString(o.buf, value)
}

// NotEmpty adds a member unless its value is empty.
func (o *Object) NotEmpty(name, value string) {
	if value != "" {
		o.String(name, value)
	}
}

// Int adds a member whose value is a number.
func (o *Object) Int(name string, value int64) {
	o.name(name)
	o.buf = strconv.AppendInt(o.buf, value, 10)
}

// Bool adds a member whose value is true or false.
func (o *Object) Bool(name string, value bool) {
	o.name(name)
	o.buf = strconv.AppendBool(o.buf, value)
}

// Strings adds a member whose value is a list of strings.
func (o *Object) Strings(name string, values []string) {
	o.name(name)
	o.buf = append(o.buf, '[')
	for i, value := range values {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.buf = AppendString(o.buf, value)
	}
	o.buf = append(o.buf, ']')
}

// JSON returns the object. Nothing may be added after it.
func (o *Object) JSON() json.RawMessage {
	if o.buf == nil {
		return json.RawMessage("{}")
	}
	return append(o.buf, '}')
}

// AppendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return append(dst, '"')
}

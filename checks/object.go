package checks

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// Object writes a JSON object member by member, in order. Texts may hold any bytes: what is not UTF-8 becomes U+FFFD.
// It is made by [NewObject] and not safe for concurrent use.
type Object struct {
	buf []byte
}

// NewObject starts the JSON of a result: its first member is the name of the check with the verdict.
func NewObject(check, verdict string) *Object {
	o := &Object{buf: make([]byte, 0, 96)}
	o.buf = append(o.buf, '{')
	o.buf = rawjson.AppendString(o.buf, check)
	o.buf = append(o.buf, ':')
	o.buf = rawjson.AppendString(o.buf, verdict)
	return o
}

// Text adds a text.
func (o *Object) Text(name, value string) *Object {
	o.name(name)
	o.buf = rawjson.AppendString(o.buf, value)
	return o
}

// Number adds a number; one that JSON cannot express is null.
func (o *Object) Number(name string, value float64) *Object {
	o.name(name)
	if math.IsNaN(value) || math.IsInf(value, 0) {
		o.buf = append(o.buf, "null"...)
		return o
	}
	o.buf = strconv.AppendFloat(o.buf, value, 'f', -1, 64)
	return o
}

// Texts adds a list of texts; nil is an empty list.
func (o *Object) Texts(name string, values []string) *Object {
	o.name(name)
	o.buf = append(o.buf, '[')
	for i, value := range values {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.buf = rawjson.AppendString(o.buf, value)
	}
	o.buf = append(o.buf, ']')
	return o
}

// Some adds a text unless it is empty.
func (o *Object) Some(name, value string) *Object {
	if value == "" {
		return o
	}
	return o.Text(name, value)
}

// Flag adds true or false.
func (o *Object) Flag(name string, value bool) *Object {
	o.name(name)
	o.buf = strconv.AppendBool(o.buf, value)
	return o
}

// JSON returns the object. Members that are added later do not change what was returned.
func (o *Object) JSON() json.RawMessage {
	return append(o.buf[:len(o.buf):len(o.buf)], '}')
}

func (o *Object) name(name string) {
	o.buf = append(o.buf, ',')
	o.buf = rawjson.AppendString(o.buf, name)
	o.buf = append(o.buf, ':')
}

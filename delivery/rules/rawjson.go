package rules

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// Raw JSON is edited where it lies: what is not touched keeps its text. It is without blanks, as queue keeps it and
// compacted makes it.

// compacted returns JSON without blanks in new memory; nil of what is none.
func compacted(raw []byte) []byte {
	var b bytes.Buffer
	if len(raw) == 0 || json.Compact(&b, raw) != nil {
		return nil
	}
	return b.Bytes()
}

// end returns where a part of raw ends in it.
func end(raw, part []byte) int { return cap(raw) - cap(part) + len(part) }

func isNull(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

// descend returns what a pointer leads to; nil: nothing.
func descend(raw []byte, path []string) []byte {
	for _, name := range path {
		if raw = child(raw, name); raw == nil {
			return nil
		}
	}
	return raw
}

// child returns a member of an object, the last of that name, or an element of an array; nil: there is none.
func child(raw []byte, name string) (found []byte) {
	switch {
	case len(raw) == 0:
	case raw[0] == '{':
		rawjson.Members(raw, func(n, v []byte) bool {
			if string(n) == name {
				found = v
			}
			return true
		})
	case raw[0] == '[':
		rawjson.Elements(raw, func(n int, v []byte) bool {
			if strconv.Itoa(n) == name {
				found = v
			}
			return found == nil
		})
	}
	return found
}

// texts calls f with the text of a value, or of each plain element of an array, until f returns false. An object is its
// JSON.
func texts(raw []byte, f func(string) bool) {
	switch {
	case isNull(raw):
	case raw[0] == '"':
		f(rawjson.Unquote(raw))
	case raw[0] == '[':
		rawjson.Elements(raw, func(_ int, e []byte) bool {
			switch {
			case isNull(e):
				return true
			case e[0] == '"':
				return f(rawjson.Unquote(e))
			}
			return f(string(e))
		})
	default:
		f(string(raw))
	}
}

// edit returns JSON in which a value is at the end of a path, in new memory. What is missing on the way is made; what
// stands in the way gives way; "-" and what is behind the end of an array is appended. A nil value removes. ok is false
// when a path names no place in an array. raw is valid, or nil for nothing.
func edit(raw []byte, path []string, value []byte) (edited []byte, ok bool) {
	if len(path) == 0 {
		return bytes.Clone(value), true
	}
	if len(raw) > 0 && raw[0] == '[' {
		return editArray(raw, path, value)
	}
	if len(raw) == 0 || raw[0] != '{' {
		if value == nil {
			return bytes.Clone(raw), true
		}
		if path[0] == "-" {
			return editArray([]byte("[]"), path, value)
		}
		raw = []byte("{}")
	}
	var place span
	begin := 1
	rawjson.Members(raw, func(name, v []byte) bool {
		behind := end(raw, v)
		if string(name) == path[0] {
			place = span{begin, behind - len(v), behind, true}
		}
		begin = behind + 1 // a comma lies between
		return true
	})
	if !place.found {
		if value == nil {
			return bytes.Clone(raw), true
		}
		inner, ok := edit(nil, path[1:], value)
		return insert(raw, append(append(rawjson.AppendString(nil, path[0]), ':'), inner...)), ok
	}
	return place.replace(raw, path, value)
}

// span is where a member or an element lies: its beginning, that of its value, and its end.
type span struct {
	begin, value, end int
	found             bool
}

// replace puts what becomes of the value into its place.
func (s span) replace(raw []byte, path []string, value []byte) ([]byte, bool) {
	if len(path) == 1 && value == nil {
		return s.remove(raw), true
	}
	inner, ok := edit(raw[s.value:s.end], path[1:], value)
	if !ok {
		return nil, false
	}
	out := make([]byte, 0, len(raw)+len(inner))
	out = append(out, raw[:s.value]...)
	out = append(out, inner...)
	return append(out, raw[s.end:]...), true
}

// remove cuts it out, with a comma.
func (s span) remove(raw []byte) []byte {
	begin, end := s.begin, s.end
	switch {
	case raw[end] == ',':
		end++
	case raw[begin-1] == ',':
		begin--
	}
	return append(append(make([]byte, 0, len(raw)), raw[:begin]...), raw[end:]...)
}

// insert puts something at the end of an object or an array.
func insert(raw, what []byte) []byte {
	out := append(make([]byte, 0, len(raw)+len(what)+1), raw[:len(raw)-1]...)
	if len(raw) > 2 {
		out = append(out, ',')
	}
	return append(append(out, what...), raw[len(raw)-1])
}

func editArray(raw []byte, path []string, value []byte) ([]byte, bool) {
	n, err := strconv.Atoi(path[0])
	if path[0] == "-" {
		n, err = int(^uint(0)>>1), nil
	}
	if err != nil || n < 0 || strings.HasPrefix(path[0], "+") {
		return nil, false
	}
	var place span
	rawjson.Elements(raw, func(i int, v []byte) bool {
		if behind := end(raw, v); i == n {
			place = span{behind - len(v), behind - len(v), behind, true}
		}
		return !place.found
	})
	switch {
	case place.found:
		return place.replace(raw, path, value)
	case value == nil:
		return bytes.Clone(raw), true
	}
	inner, ok := edit(nil, path[1:], value)
	return insert(raw, inner), ok
}

package rules

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Raw JSON is walked over and edited where it lies: what is not touched keeps its text. JSON without blanks is
// expected, as queue keeps it and compacted makes it; in other JSON less is found.

// compacted returns JSON without blanks in new memory; nil of what is none.
func compacted(raw []byte) []byte {
	var b bytes.Buffer
	if len(raw) == 0 || json.Compact(&b, raw) != nil {
		return nil
	}
	return b.Bytes()
}

// members calls f for each member of an object, with where its value lies, until f returns false.
func members(raw []byte, f func(name string, start, end int) bool) {
	for i := 1; i < len(raw) && raw[i] != '}'; {
		nameEnd := skip(raw, i)
		name := unquote(raw[i:nameEnd])
		start := min(nameEnd+1, len(raw))
		end := skip(raw, start)
		if !f(name, start, end) {
			return
		}
		if i = end; i < len(raw) && raw[i] == ',' {
			i++
		}
	}
}

// elements calls f for each element of an array, with where it lies, until f returns false.
func elements(raw []byte, f func(n, start, end int) bool) {
	n := 0
	for i := 1; i < len(raw) && raw[i] != ']'; n++ {
		end := skip(raw, i)
		if end == i || !f(n, i, end) {
			return
		}
		if i = end; i < len(raw) && raw[i] == ',' {
			i++
		}
	}
}

// skip returns where the value ends that begins at i.
func skip(raw []byte, i int) int {
	depth := 0
	for ; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = stringEnd(raw, i)
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return len(raw)
}

// stringEnd returns where the closing quote is of the string that begins at i.
func stringEnd(raw []byte, i int) int {
	for i++; i < len(raw) && raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return min(i, len(raw)-1)
}

// unquote returns the text of a string.
func unquote(raw []byte) string {
	switch {
	case len(raw) < 2:
		return string(raw)
	case bytes.IndexByte(raw, '\\') < 0:
		return string(raw[1 : len(raw)-1])
	}
	var s string
	_ = json.Unmarshal(raw, &s) // valid, as all of it is
	return s
}

// quote returns a text as a JSON string.
func quote(s string) []byte {
	raw, _ := json.Marshal(s) // a string has no errors
	return raw
}

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
		members(raw, func(n string, start, end int) bool {
			if n == name {
				found = raw[start:end]
			}
			return true
		})
	case raw[0] == '[':
		elements(raw, func(n, start, end int) bool {
			if strconv.Itoa(n) == name {
				found = raw[start:end]
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
		f(unquote(raw))
	case raw[0] == '[':
		elements(raw, func(_, start, end int) bool {
			e := raw[start:end]
			switch {
			case isNull(e):
				return true
			case e[0] == '"':
				return f(unquote(e))
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
	for i, before := 1, 1; i < len(raw) && raw[i] != '}'; {
		nameEnd := skip(raw, i)
		end := skip(raw, nameEnd+1)
		if unquote(raw[i:nameEnd]) == path[0] {
			place = span{i, nameEnd + 1, end, true}
		}
		if before = end; before < len(raw) && raw[before] == ',' {
			before++
		}
		i = before
	}
	if !place.found {
		if value == nil {
			return bytes.Clone(raw), true
		}
		inner, ok := edit(nil, path[1:], value)
		return insert(raw, append(append(quote(path[0]), ':'), inner...)), ok
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
	elements(raw, func(i, start, end int) bool {
		if i == n {
			place = span{start, start, end, true}
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

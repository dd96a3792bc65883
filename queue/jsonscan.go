package queue

import (
	"bytes"
	"encoding/binary"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// maxDepth bounds how deeply arrays and objects of a message may nest.
const maxDepth = 1000

// scanner checks that bytes are JSON (RFC 8259) and finds where they are not. Bytes of strings that are not UTF-8 are
// let pass: other programs put mail there as it is.
type scanner struct {
	data []byte
	pos  int
	err  *SyntaxError
}

// checkJSON returns nil when data is one JSON value with nothing but white space around it.
func checkJSON(data []byte) *SyntaxError {
	s := scanner{data: data}
	s.space()
	if s.value(0) {
		if s.space(); s.pos < len(data) {
			s.fail("something follows the end of the value")
		}
	}
	return s.err
}

func (s *scanner) fail(reason string) bool {
	if s.err == nil {
		s.err = &SyntaxError{Offset: int64(s.pos), Reason: reason}
	}
	return false
}

func (s *scanner) space() {
	for s.pos < len(s.data) && rawjson.IsSpace(s.data[s.pos]) {
		s.pos++
	}
}

// peek returns the current byte; zero at the end, which fits nowhere.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// value steps over a value that begins at pos.
func (s *scanner) value(depth int) bool {
	if depth > maxDepth {
		return s.fail("nested too deeply")
	}
	switch c := s.peek(); {
	case c == '"':
		return s.string()
	case c == '{':
		return s.container('}', depth, true)
	case c == '[':
		return s.container(']', depth, false)
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || isDigit(c):
		return s.number()
	case s.pos == len(s.data):
		return s.fail("it ends where a value should begin")
	}
	return s.fail("a value should begin here")
}

// container steps over an object or an array.
func (s *scanner) container(end byte, depth int, object bool) bool {
	s.pos++
	if s.space(); s.peek() == end {
		s.pos++
		return true
	}
	for {
		if object && !s.name() || !s.value(depth+1) {
			return false
		}
		s.space()
		switch s.peek() {
		case end:
			s.pos++
			return true
		case ',':
			s.pos++
			s.space()
		default:
			return s.fail("expected a comma or the end of the " + map[bool]string{true: "object", false: "array"}[object])
		}
	}
}

// name steps over the name of a member and its colon.
func (s *scanner) name() bool {
	if s.peek() != '"' {
		return s.fail("expected the name of a property")
	}
	if !s.string() {
		return false
	}
	if s.space(); s.peek() != ':' {
		return s.fail("expected a colon")
	}
	s.pos++
	s.space()
	return true
}

func (s *scanner) string() bool {
	for s.pos++; ; s.pos++ {
		s.pos += plainBytes(s.data[s.pos:])
		if s.pos == len(s.data) {
			break
		}
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return true
		case c == '\\':
			if s.pos++; !s.escape() {
				return false
			}
		case c < ' ':
			return s.fail("a control character within a string")
		}
	}
	return s.fail("it ends within a string")
}

// plainBytes returns how many bytes at the start of b need no look, eight at a time: it stops before eight bytes among
// which there may be a quote, a backslash or a control character.
func plainBytes(b []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		v := binary.LittleEndian.Uint64(b[n:])
		quote, slash := v^('"'*ones), v^('\\'*ones)
		if ((quote-ones)&^quote|(slash-ones)&^slash|(v-' '*ones)&^v)&tops != 0 {
			break
		}
	}
	return n
}

// escape checks what follows a backslash and stops at its last byte.
func (s *scanner) escape() bool {
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		if len(s.data)-s.pos < 5 {
			return s.fail("it ends within a string")
		}
		if _, ok := rawjson.Hex4(s.data[s.pos+1:]); !ok {
			return s.fail("\\u wants four hexadecimal digits")
		}
		s.pos += 4
		return true
	}
	return s.fail("a backslash with nothing known behind it")
}

func (s *scanner) literal(text string) bool {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(text)) {
		return s.fail("a value should begin here")
	}
	s.pos += len(text)
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (s *scanner) digits() bool {
	if !isDigit(s.peek()) {
		return s.fail("expected a digit")
	}
	for isDigit(s.peek()) {
		s.pos++
	}
	return true
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		if s.pos++; !s.digits() {
			return false
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		return s.digits()
	}
	return true
}

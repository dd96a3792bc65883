package template

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// decoder reads JSON (RFC 8259). Texts without escapes are parts of s.
type decoder struct {
	s      string
	at     int
	wrong  bool     // it is no JSON
	deep   bool     // it has too many levels
	keys   []string // of the objects that are being read, the inner ones behind the outer ones
	values []value  // likewise of objects and lists

	nodes     arena[node] // what was read
	allKeys   arena[string]
	allValues arena[value]
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// mostKept is how many values a decoder has room for that is kept for the next data.
const mostKept = 1000

// end gives d back, with nothing in it of what it read.
func (d *decoder) end() {
	if cap(d.values) > mostKept || cap(d.keys) > mostKept {
		return
	}
	clear(d.keys[:cap(d.keys)])
	clear(d.values[:cap(d.values)])
	*d = decoder{keys: d.keys[:0], values: d.values[:0]}
	decoders.Put(d)
}

// arena has room for many slices. Its zero value is ready.
type arena[T any] []T

// keep returns a copy of s.
func (a *arena[T]) keep(s []T) []T {
	if len(s) > cap(*a)-len(*a) {
		*a = make([]T, 0, max(len(s), min(2*cap(*a), 1024), 8))
	}
	from := len(*a)
	*a = append(*a, s...)
	return slices.Clip((*a)[from:])
}

// document reads all of s.
func (d *decoder) document() value {
	v := d.value(0)
	if d.space(); d.at < len(d.s) {
		d.wrong = true
	}
	return v
}

func (d *decoder) space() {
	for d.at < len(d.s) && isBlank(d.s[d.at]) {
		d.at++
	}
}

// next returns the byte that is next behind white space; 0: there is none, or something is wrong.
func (d *decoder) next() byte {
	d.space()
	if d.wrong || d.deep || d.at == len(d.s) {
		return 0
	}
	return d.s[d.at]
}

func (d *decoder) value(depth int) value {
	c := d.next()
	switch {
	case depth > deepest:
		d.deep = true
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.list(depth)
	case c == '"':
		return ofText(d.text())
	case c == '-' || isDigit(c):
		return d.number()
	case d.word("true"):
		return ofBool(true)
	case d.word("false"):
		return ofBool(false)
	case d.word("null"):
		return value{}
	default:
		d.wrong = true
	}
	return value{}
}

// word steps over a word, if it is next.
func (d *decoder) word(word string) bool {
	if !strings.HasPrefix(d.s[d.at:], word) {
		return false
	}
	d.at += len(word)
	return true
}

func (d *decoder) object(depth int) value {
	keys, values := len(d.keys), len(d.values)
	for first := true; d.more('}', first); first = false {
		if d.next() != '"' {
			d.wrong = true
			break
		}
		d.keys = append(d.keys, d.text())
		if d.next() != ':' {
			d.wrong = true
			break
		}
		d.at++
		v := d.value(depth + 1)
		d.values = append(d.values, v)
	}
	if d.wrong || d.deep {
		return value{}
	}
	n := node{keys: d.allKeys.keep(d.keys[keys:]), values: d.allValues.keep(d.values[values:])}
	d.keys, d.values = d.keys[:keys], d.values[:values]
	n.makeIndex()
	return value{kind: object, node: d.node(n)}
}

func (d *decoder) list(depth int) value {
	values := len(d.values)
	for first := true; d.more(']', first); first = false {
		v := d.value(depth + 1)
		d.values = append(d.values, v)
	}
	if d.wrong || d.deep {
		return value{}
	}
	n := node{values: d.allValues.keep(d.values[values:])}
	d.values = d.values[:values]
	return value{kind: array, node: d.node(n)}
}

func (d *decoder) node(n node) *node { return &d.nodes.keep([]node{n})[0] }

// more steps over the bracket or comma before the next element, or over the end.
func (d *decoder) more(end byte, first bool) bool {
	if first {
		d.at++
	}
	switch c := d.next(); {
	case c == 0:
		d.wrong = true
		return false
	case c == end:
		d.at++
		return false
	case first:
		return true
	case c != ',':
		d.wrong = true
		return false
	}
	d.at++
	return true
}

// text reads a text in quotes.
func (d *decoder) text() string {
	start, escaped := d.at+1, false
	for d.at = start; d.at < len(d.s); d.at++ {
		switch c := d.s[d.at]; {
		case c == '"':
			d.at++
			if escaped {
				return d.unescaped(d.s[start-1 : d.at])
			}
			return d.s[start : d.at-1]
		case c == '\\':
			d.at++
			escaped = true
		case c < ' ':
			d.wrong = true
			return ""
		}
	}
	d.wrong = true
	return ""
}

func (d *decoder) unescaped(quoted string) (s string) {
	if err := json.Unmarshal([]byte(quoted), &s); err != nil {
		d.wrong = true
	}
	return s
}

func (d *decoder) number() value {
	start := d.at
	if d.s[d.at] == '-' {
		d.at++
	}
	zero := d.at < len(d.s) && d.s[d.at] == '0'
	if whole := d.digits(); zero && whole > 1 {
		d.wrong = true
	}
	integral := true
	if d.at < len(d.s) && d.s[d.at] == '.' {
		d.at++
		d.digits()
		integral = false
	}
	if d.at < len(d.s) && d.s[d.at]|0x20 == 'e' {
		if d.at++; d.at < len(d.s) && (d.s[d.at] == '+' || d.s[d.at] == '-') {
			d.at++
		}
		d.digits()
		integral = false
	}
	s := d.s[start:d.at]
	v, _ := ofDigits(s, integral)
	v.s = s
	return v
}

// digits steps over digits, of which there has to be one at least, and returns how many there are.
func (d *decoder) digits() int {
	n := run(d.s[d.at:], isDigit)
	d.at += n
	if n == 0 {
		d.wrong = true
	}
	return n
}

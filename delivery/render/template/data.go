package template

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Data is what a template may print: the members of an object. It is not changed, and safe for concurrent use.
type Data struct {
	root value
	over []named // take the place of members of the root
}

type named struct {
	name  string
	value value
}

// deepest is how many objects and lists may be in each other in data.
const deepest = 1000

// ParseData reads the property data of a message: a JSON object.
func ParseData(raw json.RawMessage) (*Data, error) {
	if !json.Valid(raw) {
		return nil, errors.New("data: expected JSON: " + json.Unmarshal(raw, new(json.RawMessage)).Error())
	}
	d := decoder{s: strings.ToValidUTF8(string(raw), "\uFFFD")}
	root := d.value(0)
	switch {
	case d.err != nil:
		return nil, d.err
	case root.kind != object:
		return nil, errors.New("data: expected an object")
	}
	return &Data{root: root}, nil
}

// Set has a name mean a text, whatever the data says. It is for values that are predefined, before the data is used.
func (d *Data) Set(name, s string) { d.over = append(d.over, named{name, ofText(s)}) }

func (d *Data) lookup(name string) value {
	if d == nil {
		return value{}
	}
	for i := range d.over {
		if d.over[i].name == name {
			return d.over[i].value
		}
	}
	return d.root.member(name)
}

// decoder reads JSON that is known to be valid. Texts without escapes are parts of s.
type decoder struct {
	s      string
	at     int
	err    error
	keys   []string // of the objects that are being read, the inner ones behind the outer ones
	values []value  // likewise of objects and lists
}

func (d *decoder) space() {
	for d.at < len(d.s) && d.s[d.at] <= ' ' {
		d.at++
	}
}

func (d *decoder) value(depth int) value {
	d.space()
	if d.err != nil || depth > deepest {
		if d.err == nil {
			d.err = errors.New("data: at most " + strconv.Itoa(deepest) + " levels of lists and objects")
		}
		return value{}
	}
	switch d.s[d.at] {
	case '{':
		return d.object(depth)
	case '[':
		return d.list(depth)
	case '"':
		return ofText(d.text())
	case 't':
		d.at += len("true")
		return ofBool(true)
	case 'f':
		d.at += len("false")
		return ofBool(false)
	case 'n':
		d.at += len("null")
		return value{}
	}
	return d.number()
}

func (d *decoder) object(depth int) value {
	keys, values := len(d.keys), len(d.values)
	for d.more('}') {
		d.keys = append(d.keys, d.text())
		d.space()
		d.at++ // the colon
		v := d.value(depth + 1)
		d.values = append(d.values, v)
	}
	n := &node{keys: slices.Clone(d.keys[keys:]), values: slices.Clone(d.values[values:])}
	d.keys, d.values = d.keys[:keys], d.values[:values]
	n.makeIndex()
	return value{kind: object, node: n}
}

func (d *decoder) list(depth int) value {
	values := len(d.values)
	for d.more(']') {
		v := d.value(depth + 1)
		d.values = append(d.values, v)
	}
	n := &node{values: slices.Clone(d.values[values:])}
	d.values = d.values[:values]
	return value{kind: array, node: n}
}

// more steps over the bracket or comma before the next element, or over the end.
func (d *decoder) more(end byte) bool {
	d.space()
	if d.err != nil {
		return false
	}
	if d.s[d.at] != end {
		d.at++
		d.space()
	}
	if d.s[d.at] == end {
		d.at++
		return false
	}
	return true
}

func (d *decoder) text() string {
	start, escaped := d.at+1, false
	for d.at++; d.s[d.at] != '"'; d.at++ {
		if d.s[d.at] == '\\' {
			d.at++
			escaped = true
		}
	}
	d.at++
	if !escaped {
		return d.s[start : d.at-1]
	}
	var s string
	if err := json.Unmarshal([]byte(d.s[start-1:d.at]), &s); err != nil && d.err == nil {
		d.err = err
	}
	return s
}

func (d *decoder) number() value {
	start := d.at
	for d.at < len(d.s) && !endsNumber(d.s[d.at]) {
		d.at++
	}
	v, _ := numeric(d.s[start:d.at])
	v.s = d.s[start:d.at]
	return v
}

func endsNumber(c byte) bool { return c <= ' ' || c == ',' || c == ']' || c == '}' }

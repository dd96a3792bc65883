package template

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
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
	d := decoders.Get().(*decoder)
	defer d.end()
	d.s = string(raw)
	if !utf8.ValidString(d.s) {
		d.s = strings.ToValidUTF8(d.s, "\uFFFD")
	}
	root := d.document()
	if d.wrong || d.deep {
		if err := json.Unmarshal(raw, new(json.RawMessage)); err != nil {
			return nil, errors.New("data: expected JSON: " + err.Error())
		}
		return nil, errors.New("data: at most " + strconv.Itoa(deepest) + " levels of lists and objects")
	}
	if root.kind != object {
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

package template

import (
	"math"
	"strconv"
	"strings"
)

type kind uint8

const (
	missing kind = iota // also null
	boolean
	integer
	float
	text
	array
	object
)

// value is what an expression is worth. It is not changed.
type value struct {
	kind kind
	s    string  // of a text; of a number the digits that were in the JSON, or ""
	i    int64   // of an integer; 1 when a boolean is true
	f    float64 // of a float
	node *node   // of a list or object
}

// node is what is in a list or object.
type node struct {
	keys   []string // of an object, in the order of the JSON
	values []value
	index  map[string]int // where the members of a large object are, by their names with underscores
}

func ofText(s string) value { return value{kind: text, s: s} }
func ofInt(i int64) value   { return value{kind: integer, i: i} }

func ofBool(b bool) value {
	v := value{kind: boolean}
	if b {
		v.i = 1
	}
	return v
}

// ofFloat is a number as it came out of a calculation. What is no number counts as zero.
func ofFloat(f float64) value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return ofInt(0)
	}
	return value{kind: float, f: f}
}

// compound reports whether there are other values in v.
func (v *value) compound() bool { return v.kind == array || v.kind == object }

// length is the number of values in v.
func (v *value) length() int {
	if v.node == nil {
		return 0
	}
	return len(v.node.values)
}

// truth is what v counts as in a condition.
func (v *value) truth() bool {
	switch v.kind {
	case boolean, integer:
		return v.i != 0
	case float:
		return v.f != 0
	case text:
		return v.s != "" && v.s != "0"
	}
	return v.length() > 0
}

// append adds v as it is printed. Lists and objects print nothing.
func (v *value) append(dst []byte) []byte {
	switch {
	case v.s != "":
		return append(dst, v.s...)
	case v.kind == boolean:
		return strconv.AppendBool(dst, v.i != 0)
	case v.kind == integer:
		return strconv.AppendInt(dst, v.i, 10)
	case v.kind == float:
		return appendFloat(dst, v.f)
	}
	return dst
}

// appendFloat writes at most 15 digits, so that 0.1 + 0.2 is 0.3.
func appendFloat(dst []byte, f float64) []byte {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 15, 64), 64)
	if err != nil {
		rounded = f
	}
	return strconv.AppendFloat(dst, rounded, 'f', -1, 64)
}

// String returns v as it is printed.
func (v *value) String() string {
	if v.kind == text || v.s != "" {
		return v.s
	}
	return string(v.append(nil))
}

// number returns v as an integer or float; what is no number is zero.
func (v *value) number() value {
	switch v.kind {
	case integer, float:
		return value{kind: v.kind, i: v.i, f: v.f}
	case boolean:
		return ofInt(v.i)
	case text:
		n, _ := numeric(v.s)
		return n
	}
	return ofInt(0)
}

// numeric reads a text that is a number as a whole, but for white space around it.
func numeric(s string) (value, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789.+-eE") != "" {
		return ofInt(0), false
	}
	return ofDigits(s, !strings.ContainsAny(s, ".eE"))
}

// ofDigits is the value of a number; false: it is none that can be reckoned with.
func ofDigits(s string, integral bool) (value, bool) {
	if integral {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return ofInt(i), true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return ofInt(0), false
	}
	return ofFloat(f), true
}

func (v *value) float() float64 {
	if v.kind == float {
		return v.f
	}
	return float64(v.i)
}

// int returns a number cut to a whole one that fits into an int32, as lengths and positions are.
func (v *value) int() int {
	n := v.number()
	return int(max(math.MinInt32, min(math.MaxInt32, n.float())))
}

// member returns the member of an object with this name. A dash in the JSON is an underscore in a template; where there
// are both, the one with the dash counts. Of two with the same name the last one does.
func (v *value) member(name string) value {
	if v.kind != object {
		return value{}
	}
	if v.node.index != nil {
		if i, ok := v.node.index[name]; ok {
			return v.node.values[i]
		}
		return value{}
	}
	found := -1
	for i := len(v.node.keys) - 1; i >= 0; i-- {
		key := v.node.keys[i]
		if !sameName(key, name) {
			continue
		}
		if key != name {
			return v.node.values[i]
		}
		if found < 0 {
			found = i
		}
	}
	if found < 0 {
		return value{}
	}
	return v.node.values[found]
}

// sameName reports whether a key of the JSON has this name in templates.
func sameName(key, name string) bool {
	if len(key) != len(name) {
		return false
	}
	for i := range len(key) {
		if key[i] != name[i] && (key[i] != '-' || name[i] != '_') {
			return false
		}
	}
	return true
}

// manyMembers is how many members an object has at least whose members are looked up in an index.
const manyMembers = 64

// makeIndex has the members of a large object found quickly.
func (n *node) makeIndex() {
	if len(n.keys) < manyMembers {
		return
	}
	n.index = make(map[string]int, len(n.keys))
	for i, key := range n.keys {
		name := strings.ReplaceAll(key, "-", "_")
		if old, ok := n.index[name]; ok && name == key && n.keys[old] != name {
			continue
		}
		n.index[name] = i
	}
}

// at returns the element of a list, or the member of an object, at a position, or the member with a name.
func (v *value) at(index value) value {
	if index.kind == text {
		return v.member(strings.ReplaceAll(index.s, "-", "_"))
	}
	i := index.int()
	if i < 0 || i >= v.length() {
		return value{}
	}
	return v.node.values[i]
}

package jsontree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/human"
)

// Kind is the type of a value.
type Kind uint8

// The types of JSON.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"null", "true or false", "a number", "a string", "an array", "an object"}[k]
}

// Node is a value in its place. A nil *Node is null.
type Node struct {
	Kind  Kind
	Key   string  // its name, when it is a member of an object
	Text  string  // of a string, a number, or true or false
	Items []*Node // of an array or an object

	index  int // in its array
	parent *Node
	tree   *tree
}

// tree is what the nodes of a tree share.
type tree struct {
	root  string // the pointer of the root
	count int
	err   error
}

// Error says what is wrong in which place.
type Error struct {
	Pointer string // a JSON pointer, such as /content/blocks/0/type
	Want    string // what was expected there; "": see Err
	Got     string // what is there instead; "": nothing worth telling
	Err     error  // the cause, such as a download that failed; nil: none
}

func (e *Error) Error() string {
	text := human.Cut(e.Pointer, 200)
	if text == "" {
		text = "/"
	}
	if e.Want != "" {
		text += ": expected " + e.Want
	}
	if e.Got != "" {
		text += ", got " + e.Got
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

const (
	maxDepth = 100
	maxNodes = 1 << 20
)

// Parse reads one value. Pointers begin with root.
func Parse(data []byte, root string) (*Node, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	t := &tree{root: root}
	n, err := t.read(d, nil, "", 0, 0)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return n, nil
		}
		err = &Error{Pointer: root, Want: "one JSON value"}
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return nil, err
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return nil, &Error{Pointer: root, Want: "JSON", Err: err}
}

// read reads the next value, which is the child of parent with that key or index.
func (t *tree) read(d *json.Decoder, parent *Node, key string, index, depth int) (*Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	n := &Node{Key: key, index: index, parent: parent, tree: t}
	if t.count++; t.count > maxNodes {
		return nil, &Error{Pointer: t.root, Want: "at most " + strconv.Itoa(maxNodes) + " values"}
	}
	switch v := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return nil, &Error{Pointer: n.Pointer(), Want: "at most " + strconv.Itoa(maxDepth) + " levels"}
		}
		if v == '{' {
			n.Kind = Object
			return n, t.members(d, n, depth)
		}
		n.Kind = Array
		return n, t.elements(d, n, depth)
	case string:
		n.Kind, n.Text = String, v
	case json.Number:
		n.Kind, n.Text = Number, v.String()
	case bool:
		n.Kind, n.Text = Bool, strconv.FormatBool(v)
	}
	return n, nil
}

func (t *tree) elements(d *json.Decoder, n *Node, depth int) error {
	for d.More() {
		item, err := t.read(d, n, "", len(n.Items), depth+1)
		if err != nil {
			return err
		}
		n.Items = append(n.Items, item)
	}
	_, err := d.Token()
	return err
}

func (t *tree) members(d *json.Decoder, n *Node, depth int) error {
	places := make(map[string]int)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		key := name.(string)
		item, err := t.read(d, n, key, 0, depth+1)
		if err != nil {
			return err
		}
		if before, twice := places[key]; twice {
			n.Items[before] = item
			continue
		}
		places[key] = len(n.Items)
		n.Items = append(n.Items, item)
	}
	_, err := d.Token()
	return err
}

// Pointer returns the place of a node.
func (n *Node) Pointer() string {
	if n == nil {
		return ""
	}
	if n.parent == nil {
		return n.tree.root
	}
	step := n.Key
	if n.parent.Kind == Array {
		step = strconv.Itoa(n.index)
	}
	return n.parent.Pointer() + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
}

// Err returns the first problem of the tree that a node is in, which is an *Error, or nil.
func (n *Node) Err() error { return n.tree.err }

// Fail tells the tree of a problem with a node.
func (n *Node) Fail(err *Error) {
	if n.tree.err == nil {
		err.Pointer = n.Pointer()
		n.tree.err = err
	}
}

// Expected tells the tree that a node is not what was expected, and shows what it is.
func (n *Node) Expected(format string, args ...any) {
	n.Fail(&Error{Want: fmt.Sprintf(format, args...), Got: n.shown()})
}

func (n *Node) shown() string {
	switch n.Kind {
	case String:
		return strconv.Quote(human.Cut(n.Text, 60))
	case Number, Bool:
		return human.Cut(n.Text, 60)
	}
	return n.Kind.String()
}

// Is reports whether a node is there and has a type.
func (n *Node) Is(k Kind) bool { return n != nil && n.Kind == k }

// Get returns a member of an object; nil when it is not there, or null.
func (n *Node) Get(key string) *Node {
	if !n.Is(Object) {
		return nil
	}
	for _, item := range n.Items {
		if item.Key == key && item.Kind != Null {
			return item
		}
	}
	return nil
}

// Object returns a member that has to be an object.
func (n *Node) Object(key string) *Node { return n.typed(key, Object) }

// Array returns the elements of a member that has to be an array.
func (n *Node) Array(key string) []*Node {
	if item := n.typed(key, Array); item != nil {
		return item.Items
	}
	return nil
}

// String returns a member that has to be a string.
func (n *Node) String(key string) string {
	if item := n.typed(key, String); item != nil {
		return item.Text
	}
	return ""
}

// Bool returns a member that has to be true or false.
func (n *Node) Bool(key string) bool {
	item := n.typed(key, Bool)
	return item != nil && item.Text == "true"
}

func (n *Node) typed(key string, k Kind) *Node {
	item := n.Get(key)
	if item != nil && item.Kind != k {
		item.Expected("%s", k)
		return nil
	}
	return item
}

// With returns an object in the place of a node: it has the members of another object, which may be nil, and strings,
// given as name and value in turn, in the place of members of the same name.
func (n *Node) With(base *Node, strings ...string) *Node {
	o := &Node{Kind: Object, Key: n.Key, index: n.index, parent: n.parent, tree: n.tree}
	if base.Is(Object) {
		o.Items = append(o.Items, base.Items...)
	}
	for i := 0; i+1 < len(strings); i += 2 {
		o.Items = slices.DeleteFunc(o.Items, func(item *Node) bool { return item.Key == strings[i] })
		o.Items = append(o.Items, &Node{Kind: String, Key: strings[i], Text: strings[i+1], parent: o, tree: n.tree})
	}
	return o
}

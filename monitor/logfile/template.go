package logfile

import (
	"fmt"
	"strings"
)

// source says where the value of a variable comes from.
type source uint8

const (
	nothing source = iota
	messageValue
	resultValue
	attemptValue
	dateValue
	timeValue
	urlValue
	ipValue
	requestValue
)

// names are the variables that a kind of log knows.
type names map[string]source

// variable is a name in a template, ready to be looked up.
type variable struct {
	source source
	path   string // of a property of a message or a result; "" is the whole
}

// node is a piece of a template. It is text, a variable, or a choice.
type node struct {
	text      string
	value     variable
	choice    bool
	then, not []node
}

// template makes lines. It is never changed after it was parsed.
type template []node

// names reports whether the template has a variable for the property, or for something within it, or for all.
func (t template) names(property string) bool {
	for i := range t {
		n := &t[i]
		first, _, _ := strings.Cut(n.value.path, ".")
		if n.value.source == messageValue && (n.value.path == "" || first == property) || template(n.then).names(property) ||
			template(n.not).names(property) {
			return true
		}
	}
	return false
}

const (
	maxTemplate = 64 << 10
	maxDepth    = 32
)

// TemplateError says what is wrong with a template.
type TemplateError struct {
	Column int // of the brace, counted in bytes from 1
	Reason string
}

func (e *TemplateError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Reason) }

type parser struct {
	text  string
	pos   int
	known names
}

func parse(text string, known names) (template, error) {
	if len(text) > maxTemplate {
		return nil, &TemplateError{maxTemplate + 1, fmt.Sprintf("the template is longer than %d bytes", maxTemplate)}
	}
	p := &parser{text: text, known: known}
	nodes, end, err := p.nodes(0)
	if err != nil {
		return nil, err
	}
	if end.tag != "" {
		return nil, p.wrong(end.at, "{"+end.tag+"} without {if}")
	}
	return nodes, nil
}

func (p *parser) wrong(at int, reason string) error { return &TemplateError{at + 1, reason} }

// ending is the tag that ended a list of nodes: "else", "/if", or "" at the end of the text.
type ending struct {
	tag string
	at  int
}

func (p *parser) nodes(depth int) (list []node, end ending, err error) {
	for p.pos < len(p.text) {
		at := p.pos
		tag, literal, err := p.next()
		if err != nil {
			return nil, end, err
		}
		switch {
		case literal != "":
			list = appendText(list, literal)
		case tag == "else" || tag == "/if":
			return list, ending{tag, at}, nil
		case tag[0] == '$':
			v, err := p.variable(tag, at)
			if err != nil {
				return nil, end, err
			}
			list = append(list, node{value: v})
		default:
			n, err := p.choice(tag, at, depth+1)
			if err != nil {
				return nil, end, err
			}
			list = append(list, n)
		}
	}
	return list, ending{"", len(p.text)}, nil
}

func appendText(list []node, text string) []node {
	if last := len(list) - 1; last >= 0 && list[last].text != "" {
		list[last].text += text
		return list
	}
	return append(list, node{text: text})
}

// next returns the inside of the tag at the position, or the literal text there.
func (p *parser) next() (tag, literal string, err error) {
	rest := p.text[p.pos:]
	if rest[0] != '{' {
		end := strings.IndexByte(rest, '{')
		if end < 0 {
			end = len(rest)
		}
		p.pos += end
		return "", rest[:end], nil
	}
	if len(rest) == 1 || strings.IndexByte(" \t\r\n", rest[1]) >= 0 {
		p.pos++
		return "", "{", nil
	}
	end := strings.IndexByte(rest, '}')
	if end < 0 {
		return "", "", p.wrong(p.pos, "{ without }")
	}
	at := p.pos
	p.pos += end + 1
	switch tag = rest[1:end]; {
	case tag == "ldelim":
		return "", "{", nil
	case tag == "rdelim":
		return "", "}", nil
	case tag == "else", tag == "/if", strings.HasPrefix(tag, "if "), strings.HasPrefix(tag, "$"):
		return tag, "", nil
	}
	return "", "", p.wrong(at, fmt.Sprintf("{%s} is not understood: expected {$name}, {if $name}, {else} or {/if}",
		shorten(tag)))
}

func (p *parser) choice(tag string, at, depth int) (n node, err error) {
	if depth > maxDepth {
		return n, p.wrong(at, fmt.Sprintf("more than %d {if} inside each other", maxDepth))
	}
	n.choice = true
	if n.value, err = p.variable(strings.TrimSpace(tag[len("if "):]), at); err != nil {
		return n, err
	}
	var end ending
	if n.then, end, err = p.nodes(depth); err != nil {
		return n, err
	}
	if end.tag == "else" {
		if n.not, end, err = p.nodes(depth); err != nil {
			return n, err
		}
	}
	switch end.tag {
	case "":
		return n, p.wrong(at, "{if} without {/if}")
	case "else":
		return n, p.wrong(end.at, "a second {else}")
	}
	return n, nil
}

// variable reads "$name" or "$name.with.dots". An unknown name is no error: it prints nothing.
func (p *parser) variable(text string, at int) (v variable, err error) {
	name, ok := strings.CutPrefix(text, "$")
	if !ok || !validName(name) {
		return v, p.wrong(at, fmt.Sprintf("%q is not a variable: expected $name, with letters, digits, _ and - between dots",
			shorten(text)))
	}
	first, path, _ := strings.Cut(name, ".")
	v.source = p.known[first]
	switch {
	case v.source == messageValue && first == "report":
		v.path = name // a property of the message
	case v.source == messageValue || v.source == resultValue:
		v.path = path
	case path != "":
		v.source = nothing
	}
	return v, nil
}

func validName(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" {
			return false
		}
		for _, c := range []byte(part) {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
				return false
			}
		}
	}
	return true
}

func shorten(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}

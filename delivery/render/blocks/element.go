package blocks

import (
	"html"
	"strings"

	"github.com/sluicemail/sluice/internal/jsontree"
	"github.com/sluicemail/sluice/internal/tagmask"
)

// element is an opening tag that is being put together. A value that is set again replaces the one before.
type element struct {
	name  string
	attrs []pair
	css   []pair
}

type pair struct{ name, value string }

func tag(name string) *element { return &element{name: name} }

// table is a <table> that has nothing to say to a screen reader.
func table() *element {
	return tag("table").attr("role", "presentation").attr("cellpadding", "0").attr("cellspacing", "0").attr("border", "0")
}

func set(pairs []pair, name, value string) []pair {
	if value == "" {
		return pairs
	}
	for i := range pairs {
		if pairs[i].name == name {
			pairs[i].value = value
			return pairs
		}
	}
	return append(pairs, pair{name, value})
}

// attr sets an attribute; "" changes nothing.
func (e *element) attr(name, value string) *element {
	e.attrs = set(e.attrs, name, value)
	return e
}

// empty sets an attribute that may be empty, such as alt.
func (e *element) empty(name, value string) *element {
	if value == "" {
		e.attrs = append(e.attrs, pair{name, ""})
		return e
	}
	return e.attr(name, value)
}

// style sets a property of the style; "" changes nothing.
func (e *element) style(name, value string) *element {
	e.css = set(e.css, name, value)
	return e
}

// class adds a class.
func (e *element) class(name string) *element {
	if name == "" {
		return e
	}
	for i := range e.attrs {
		if e.attrs[i].name == "class" {
			e.attrs[i].value += " " + name
			return e
		}
	}
	return e.attr("class", name)
}

// custom sets what the members css and attributes of a node say.
func (e *element) custom(n *jsontree.Node) *element {
	if n == nil {
		return e
	}
	if css := n.Object("css"); css != nil {
		for _, item := range css.Items {
			e.customStyle(item)
		}
	}
	return e.customAttributes(n.Object("attributes"))
}

func (e *element) customStyle(n *jsontree.Node) {
	if !isName(n.Key, "-") {
		n.Fail(&Error{Want: "the name of a CSS property"})
		return
	}
	value, ok := scalar(n)
	masked, _ := tagmask.Mask(value)
	if !ok || strings.ContainsAny(masked, "{};<>\\") || scripted(masked) {
		n.Expected("a value of CSS, without ; and script")
		return
	}
	e.style(strings.ToLower(n.Key), value)
}

func (e *element) customAttributes(attributes *jsontree.Node) *element {
	if attributes == nil {
		return e
	}
	for _, item := range attributes.Items {
		value, ok := scalar(item)
		name := strings.ToLower(item.Key)
		switch {
		case !isName(item.Key, "-:_") || strings.HasPrefix(name, "on"):
			item.Fail(&Error{Want: "the name of an attribute that is no script"})
		case !ok || scripted(value):
			item.Expected("a text that is no script")
		case name == "class":
			e.class(value)
		case name == "style":
			e.attrs = append(e.attrs, pair{"style", value})
		default:
			e.attr(name, value)
		}
	}
	return e
}

// scalar returns a string, a number, or true or false; false when it is none of these.
func scalar(n *jsontree.Node) (string, bool) {
	return n.Text, n.Kind == jsontree.String || n.Kind == jsontree.Number || n.Kind == jsontree.Bool
}

// isName reports whether a text has letters and digits, and others that are allowed.
func isName(s, others string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z') && !(i > 0 && '0' <= s[i] && s[i] <= '9') && strings.IndexByte(others, s[i]) < 0 {
			return false
		}
	}
	return s != "" && len(s) < 100
}

// scripted reports whether a value runs a script in some client.
func scripted(s string) bool {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, strings.ToLower(s))
	return strings.HasPrefix(s, "javascript:") || strings.HasPrefix(s, "vbscript:") || strings.HasPrefix(s, "data:text") ||
		strings.Contains(s, "expression(") || strings.Contains(s, "(javascript:") || strings.Contains(s, "@import")
}

// escape makes text of HTML, and leaves tags of personalisation as they are.
func escape(s string) string { return tagmask.Between(s, html.EscapeString) }

// String returns the opening tag.
func (e *element) String() string {
	var b strings.Builder
	b.WriteString("<" + e.name)
	var style []string
	for _, p := range e.css {
		style = append(style, p.name+":"+p.value)
	}
	for _, p := range e.attrs {
		if p.name == "style" {
			style = append(style, strings.TrimSuffix(p.value, ";"))
			continue
		}
		b.WriteString(" " + p.name + `="` + escape(p.value) + `"`)
	}
	if style != nil {
		b.WriteString(` style="` + escape(strings.Join(style, ";")) + `"`)
	}
	b.WriteString(">")
	return b.String()
}

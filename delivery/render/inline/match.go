package inline

import (
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// selector is one of a rule, taken apart: compounds such as td.price[align], and what is between them.
type selector struct {
	compounds   []cascadia.Sel
	combinators []byte // before each compound but the first: ' ', '>', '+' or '~'
	last        string // the last compound as it is written
	specificity cascadia.Specificity
}

// longestSelector is how many compounds a selector may have; longer ones stay in the style sheet.
const longestSelector = 12

// parseSelector reads a selector. false: it is for no attribute, or cannot be read.
func parseSelector(s string) (*selector, bool) {
	if s == "" || find(s, ":") < len(s) || len(s) > 1000 {
		return nil, false
	}
	sel := &selector{}
	for first := true; s != ""; first = false {
		if !first {
			rest := strings.TrimLeft(s, " \t\r\n\f")
			combinator := byte(' ')
			if rest != "" && strings.IndexByte(">+~", rest[0]) >= 0 {
				combinator = rest[0]
				rest = strings.TrimLeft(rest[1:], " \t\r\n\f")
			}
			sel.combinators = append(sel.combinators, combinator)
			s = rest
		}
		end := find(s, " \t\r\n\f>+~")
		compound, err := cascadia.Parse(s[:end])
		if err != nil || len(sel.compounds) == longestSelector {
			return nil, false
		}
		sel.compounds, sel.last = append(sel.compounds, compound), s[:end]
		sel.specificity = sel.specificity.Add(compound.Specificity())
		s = s[end:]
	}
	return sel, true
}

// document is HTML whose elements can be found.
type document struct {
	nodes  []*html.Node // elements, in their order
	number map[*html.Node]int
	tags   []int            // of each element the number of its start tag in the text; -1: it has none there
	by     map[string][]int // the elements with a name, .class or #id
	all    []int
	steps  int // that may still be made
}

// newDocument returns a document with room for about so many elements.
func newDocument(elements int) *document {
	elements += elements / 8
	return &document{steps: maxSteps, number: make(map[*html.Node]int, elements), by: make(map[string][]int),
		nodes: make([]*html.Node, 0, elements), tags: make([]int, 0, elements), all: make([]int, 0, elements)}
}

// add adds an element and what is in it.
func (d *document) add(n *html.Node) {
	if n.Type == html.ElementNode {
		i := len(d.nodes)
		d.number[n] = i
		d.nodes = append(d.nodes, n)
		d.tags = append(d.tags, -1)
		d.all = append(d.all, i)
		d.file(n.Data, i)
		d.attributes(n, i)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		d.add(c)
	}
}

func (d *document) file(key string, i int) { d.by[key] = append(d.by[key], i) }

// attributes files an element by its attributes, and takes its mark.
func (d *document) attributes(n *html.Node, i int) {
	for k := 0; k < len(n.Attr); k++ {
		switch a := n.Attr[k]; a.Key {
		case mark:
			d.tags[i] = number(a.Val)
			n.Attr = append(n.Attr[:k], n.Attr[k+1:]...)
			k--
		case "class":
			for class := range strings.FieldsSeq(a.Val) {
				d.file("."+class, i)
			}
		case "id":
			d.file("#"+a.Val, i)
		}
	}
}

// candidates returns the elements that the last compound of a selector may be for.
func (d *document) candidates(last string) []int {
	plain := !strings.ContainsAny(last, `[\`)
	if i := strings.LastIndexAny(last, ".#"); i >= 0 && plain {
		return d.by[last[i:]]
	}
	if name := strings.ToLower(last); plain && name != "" && name != "*" {
		return d.by[name]
	}
	return d.all
}

// matches calls found for each element that a selector is for; false: there were too many steps.
func (d *document) matches(s *selector, found func(element int)) bool {
	m := matching{d, s, nil}
	for _, i := range d.candidates(s.last) {
		if d.steps--; d.steps < 0 {
			return false
		}
		if m.at(i, len(s.compounds)-1) {
			found(i)
		}
	}
	return d.steps >= 0
}

// matching remembers what was found out about a selector, so that no question is answered twice.
type matching struct {
	d    *document
	s    *selector
	seen map[question]bool
}

// question is whether an element is what the first compounds of a selector ask for, up to one; or, with beyond, whether
// one of those before it is: an ancestor, or an earlier child of the same parent.
type question struct {
	element, compound int
	beyond            bool
}

func (m *matching) at(i, compound int) bool {
	if !m.s.compounds[compound].Match(m.d.nodes[i]) {
		return false
	}
	if compound == 0 {
		return true
	}
	return m.before(m.d.nodes[i], compound)
}

// before reports whether there is, before an element that a compound is for, what the compounds before that ask for.
func (m *matching) before(n *html.Node, compound int) bool {
	combinator := m.s.combinators[compound-1]
	other := n.Parent
	if combinator == '+' || combinator == '~' {
		other = previousElement(n)
	}
	if other == nil || other.Type != html.ElementNode {
		return false
	}
	i := m.d.number[other]
	if combinator == '>' || combinator == '+' {
		return m.ask(question{i, compound - 1, false}, func() bool { return m.at(i, compound-1) })
	}
	return m.ask(question{i, compound, true}, func() bool { return m.at(i, compound-1) || m.before(other, compound) })
}

func (m *matching) ask(q question, answer func() bool) bool {
	if known, ok := m.seen[q]; ok {
		return known
	}
	if m.d.steps--; m.d.steps < 0 {
		return false
	}
	if m.seen == nil {
		m.seen = make(map[question]bool)
	}
	m.seen[q] = answer()
	return m.seen[q]
}

func previousElement(n *html.Node) *html.Node {
	for n = n.PrevSibling; n != nil && n.Type != html.ElementNode; n = n.PrevSibling {
	}
	return n
}

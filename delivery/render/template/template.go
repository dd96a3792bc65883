package template

import "strconv"

// The limits of one run of a template.
const (
	MaxOutput  = 16 << 20 // bytes that are written, and bytes of a value
	MaxSteps   = 100_000  // statements, operators and modifiers that are run; long texts count more
	MaxNesting = 64       // levels of blocks and parentheses
)

var (
	outputText  = strconv.Itoa(MaxOutput>>20) + " MiB"
	stepsText   = strconv.Itoa(MaxSteps)
	nestingText = strconv.Itoa(MaxNesting)
)

func itoa(n int) string { return strconv.Itoa(n) }

// Template is a text that was compiled. It is not changed, and safe for concurrent use.
type Template struct {
	text     string
	literals []string
	body     []statement
	names    []string // of the variables, by slot
	patterns map[string]*pattern
	unknown  []string
}

// Compile reads a template. Errors are *Error.
func Compile(text string) (t *Template, err error) {
	p := parser{scanner: scanner{text: text}, t: &Template{text: text}, slots: make(map[string]int)}
	p.fail = p.failHere
	defer func() {
		if r := recover(); r != nil {
			e, ours := r.(*Error)
			if !ours {
				panic(r)
			}
			t, err = nil, e
		}
	}()
	p.t.body = p.block()
	if p.word != "" {
		p.failHere("there is nothing that it belongs to")
	}
	return p.t, nil
}

// Plain reports whether the text has no tags, so that it prints itself.
func (t *Template) Plain() bool {
	if len(t.body) == 0 {
		return true
	}
	_, ok := t.body[0].(literal)
	return ok && len(t.body) == 1 && len(t.literals[0]) == len(t.text)
}

// Unknown returns the names of modifiers that do not exist. They have no effect.
func (t *Template) Unknown() []string { return t.unknown }

// Literals returns the texts between the tags. It is not to be changed.
func (t *Template) Literals() []string { return t.literals }

// Printer takes what a template prints, piece by piece.
type Printer interface {
	Literal(n int)      // a text between tags: the one of Literals with this number
	Value(value []byte) // of a tag; it is the template's again afterwards
}

// Run has the text printed with the values of data. Nil data has no values. An error is an *Error.
func (t *Template) Run(out Printer, data *Data) error {
	r := begin(t, data, out)
	defer r.end()
	runAll(r, t.body)
	return r.err
}

// Append adds the text with the values of data to dst, as Run prints it. With an error, dst is as it was.
func (t *Template) Append(dst []byte, data *Data) ([]byte, error) {
	b := buffer{t.literals, dst}
	if err := t.Run(&b, data); err != nil {
		return dst, err
	}
	return b.text, nil
}

// buffer is a Printer.
type buffer struct {
	literals []string
	text     []byte
}

func (b *buffer) Literal(n int)      { b.text = append(b.text, b.literals[n]...) }
func (b *buffer) Value(value []byte) { b.text = append(b.text, value...) }

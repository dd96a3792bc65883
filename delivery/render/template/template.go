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
	only, ok := t.body[0].(literal)
	return ok && len(t.body) == 1 && len(only) == len(t.text)
}

// Unknown returns the names of modifiers that do not exist. They have no effect.
func (t *Template) Unknown() []string { return t.unknown }

// Append adds the text with the values of data to dst. Nil data has no values. An error is an *Error; dst is as it was
// then.
func (t *Template) Append(dst []byte, data *Data) ([]byte, error) {
	return t.AppendWith(dst, data, nil)
}

// AppendWith is Append for a place where values must be written in another way than text: each goes through print,
// which adds it to dst.
func (t *Template) AppendWith(dst []byte, data *Data, print func(dst []byte, value string) []byte) ([]byte, error) {
	r := running{t: t, data: data, dst: dst, start: len(dst), slots: make([]slot, len(t.names)), print: print}
	for _, s := range t.body {
		if !s.run(&r) {
			return dst, r.err
		}
	}
	return r.dst, nil
}

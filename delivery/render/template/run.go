package template

// running is a template that runs.
type running struct {
	t        *Template
	data     *Data
	dst      []byte
	start    int // length of dst before
	slots    []slot
	args     []value // of the modifiers that are evaluated
	steps    int
	at       int // offset of the tag that runs
	patterns map[string]*pattern
	err      error
	print    func(dst []byte, value string) []byte // nil: as it is
}

// slot is a variable.
type slot struct {
	known bool // it was looked up, or set
	v     value
}

func (r *running) get(i int) value {
	s := &r.slots[i]
	if !s.known {
		*s = slot{true, r.data.lookup(r.t.names[i])}
	}
	return s.v
}

func (r *running) set(i int, v value) { r.slots[i] = slot{true, v} }

// fail ends the run.
func (r *running) fail(reason string) {
	if r.err == nil {
		r.err = errorAt(r.t.text, r.at, reason)
	}
}

// step counts steps; false ends the run.
func (r *running) step(n int) bool {
	if r.steps += n; r.steps > MaxSteps {
		r.fail("more than " + stepsText + " steps")
	}
	return r.err == nil
}

// bytesPerStep is how many bytes of text a modifier or comparison looks at for one step.
const bytesPerStep = 512

// read counts the steps for looking at so many bytes.
func (r *running) read(bytes int) bool { return r.step(bytes / bytesPerStep) }

// fits reports whether a value may have so many bytes.
func (r *running) fits(bytes int) bool {
	if bytes > MaxOutput {
		r.fail("a value is longer than " + outputText)
	}
	return r.err == nil
}

// room counts the steps to make a value of so many bytes, if it fits.
func (r *running) room(bytes int) bool { return r.fits(bytes) && r.read(bytes) }

// written checks the length of what was written.
func (r *running) written() bool {
	if len(r.dst)-r.start > MaxOutput {
		r.fail("it prints more than " + outputText)
	}
	return r.err == nil
}

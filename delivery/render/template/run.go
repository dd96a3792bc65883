package template

import (
	"slices"
	"sync"
)

// running is a template that runs.
type running struct {
	t        *Template
	data     *Data
	out      Printer
	printed  int    // bytes
	value    []byte // the one that is printed
	slots    []slot
	args     []value // of the modifiers that are evaluated
	steps    int
	at       int // offset of the tag that runs
	patterns map[string]*pattern
	err      error
}

// runs are running templates that ended, for their memory.
var runs = sync.Pool{New: func() any { return new(running) }}

// largestValue is how much memory for values is kept for the next run.
const largestValue = 64 << 10

// begin returns a template that runs.
func begin(t *Template, data *Data, out Printer) *running {
	r := runs.Get().(*running)
	r.t, r.data, r.out = t, data, out
	r.slots = slices.Grow(r.slots[:0], len(t.names))[:len(t.names)]
	return r
}

// end gives the memory of r back, with nothing in it that a message had.
func (r *running) end() {
	clear(r.slots)
	clear(r.args[:cap(r.args)])
	kept := running{slots: r.slots[:0], args: r.args[:0], value: r.value[:0]}
	if cap(r.value) > largestValue {
		kept.value = nil
	}
	*r = kept
	runs.Put(r)
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

// written counts what was printed.
func (r *running) written(bytes int) bool {
	if r.printed += bytes; r.printed > MaxOutput {
		r.fail("it prints more than " + outputText)
	}
	return r.err == nil
}

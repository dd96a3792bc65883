package webhook

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// Filter leaves properties out of results. A nil Filter leaves out none. It may be used by many at once.
type Filter struct {
	root pointers
	keep bool // leave out what the pointers do not name, instead of what they name
}

// pointers is a step of several JSON pointers at once.
type pointers struct {
	end  bool // a pointer ends here: it names all that is below
	next map[string]*pointers
	any  *pointers // behind a star
}

// ParseFilter reads JSON pointers (RFC 6901): "/connection/user". As in MailerQ's webhook program the slash in front
// may be missing, and a star stands for every member of an object or element of an array: "results/*/description". With
// keep only what they name is left, whole; without, all but that. The error names the pointer that is wrong.
func ParseFilter(list []string, keep bool) (*Filter, error) {
	if len(list) == 0 {
		if keep {
			return nil, errors.New("a white list that names no property leaves nothing")
		}
		return nil, nil
	}
	f := &Filter{keep: keep}
	for _, text := range list {
		if err := f.root.add(text); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
	}
	return f, nil
}

// maxSteps is how deep a pointer may go.
const maxSteps = 64

func (p *pointers) add(text string) error {
	steps := strings.Split(strings.TrimPrefix(text, "/"), "/")
	if len(steps) > maxSteps {
		return fmt.Errorf("expected at most %d steps, got %d", maxSteps, len(steps))
	}
	for _, step := range steps {
		if step == "" {
			return errors.New("expected a name between the slashes")
		}
		if step == "*" {
			if p.any == nil {
				p.any = new(pointers)
			}
			p = p.any
			continue
		}
		name, err := unescape(step)
		if err != nil {
			return err
		}
		if p.next == nil {
			p.next = map[string]*pointers{}
		}
		if p.next[name] == nil {
			p.next[name] = new(pointers)
		}
		p = p.next[name]
	}
	p.end = true
	return nil
}

// unescape undoes ~0 and ~1 (RFC 6901 §4).
func unescape(step string) (string, error) {
	for rest := step; ; {
		_, after, found := strings.Cut(rest, "~")
		if !found {
			return strings.NewReplacer("~1", "/", "~0", "~").Replace(step), nil
		}
		if !strings.HasPrefix(after, "0") && !strings.HasPrefix(after, "1") {
			return "", errors.New("expected 0 or 1 behind ~")
		}
		rest = after
	}
}

// Append appends what is left of a JSON object to dst.
func (f *Filter) Append(dst, object []byte) []byte {
	if f == nil {
		return append(dst, object...)
	}
	return f.append(dst, object, []*pointers{&f.root})
}

// append appends what is left of a value that steps lead to, none of which is the last one of its pointer.
func (f *Filter) append(dst, v []byte, steps []*pointers) []byte {
	switch {
	case !holds(v):
		return append(dst, v...)
	case v[0] == '{':
		dst = append(dst, '{')
		begin := len(dst)
		rawjson.Members(v, func(name, member []byte) bool {
			if below, left := f.judge(steps, name, member); left {
				dst = append(rawjson.AppendString(comma(dst, begin), name), ':')
				dst = f.rest(dst, member, below)
			}
			return true
		})
		return append(dst, '}')
	}
	dst = append(dst, '[')
	begin := len(dst)
	var room [20]byte
	rawjson.Elements(v, func(i int, element []byte) bool {
		if below, left := f.judge(steps, strconv.AppendInt(room[:0], int64(i), 10), element); left {
			dst = f.rest(comma(dst, begin), element, below)
		}
		return true
	})
	return append(dst, ']')
}

// rest appends a value whole, or what is left of it when steps lead further into it.
func (f *Filter) rest(dst, v []byte, below []*pointers) []byte {
	if below == nil {
		return append(dst, v...)
	}
	return f.append(dst, v, below)
}

// judge reports whether anything is left of a member or element, and the steps that lead further into it; none: it is
// left whole.
func (f *Filter) judge(steps []*pointers, name, v []byte) (below []*pointers, left bool) {
	for _, p := range steps {
		for _, next := range [...]*pointers{p.next[string(name)], p.any} {
			if next == nil {
				continue
			}
			if next.end {
				return nil, f.keep
			}
			below = append(below, next)
		}
	}
	if below == nil {
		return nil, !f.keep
	}
	return below, !f.keep || holds(v)
}

// holds reports whether a value has members or elements, or could have.
func holds(v []byte) bool { return len(v) > 0 && (v[0] == '{' || v[0] == '[') }

// comma separates what follows from what stands behind begin already.
func comma(dst []byte, begin int) []byte {
	if len(dst) > begin {
		dst = append(dst, ',')
	}
	return dst
}

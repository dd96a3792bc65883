package mailsig

import (
	"slices"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// header has the fields of a mail by their names. It is sorted when the first one is asked for.
type header struct {
	raw    []byte
	fields []field
	groups []group
	index  map[string]int32 // of groups, by the name in lower case; nil: not sorted yet
}

// field is one of a group.
type field struct {
	raw   []byte
	above int32 // the next one of that name; -1: it is the topmost
}

// group is the fields of one name.
type group struct {
	count  int32
	lowest int32
	next   int32 // the field to be taken next; -1: none is left
}

// sort reads the header, once.
func (h *header) sort() {
	if h.index != nil {
		return
	}
	names, ends := make([]byte, 0, 512), make([]int, 0, 32)
	h.fields = make([]field, 0, 32)
	scanner := mailheader.NewScanner(h.raw)
	for f, ok := scanner.Next(); ok; f, ok = scanner.Next() {
		if len(f.Name()) > 0 {
			names = appendLower(names, f.Name())
			ends = append(ends, len(names))
			h.fields = append(h.fields, field{raw: f.Raw, above: -1})
		}
	}
	h.groups = make([]group, 0, min(len(ends), 32))
	h.index = make(map[string]int32, cap(h.groups))
	all, start := string(names), 0
	for i, end := range ends {
		g, found := h.group(all[start:end])
		if found {
			h.fields[i].above = g.lowest
		}
		g.lowest = int32(i)
		start = end
	}
}

// group counts one more field of a name, which is in lower case. It is found when it had one before.
func (h *header) group(name string) (g *group, found bool) {
	i, found := h.index[name]
	if !found {
		i = int32(len(h.groups))
		h.index[name] = i
		h.groups = append(h.groups, group{})
	}
	h.groups[i].count++
	return &h.groups[i], found
}

// find returns the fields of a name in any case; nil: there is none.
func (h *header) find(name string) *group {
	h.sort()
	i, found := h.index[string(appendLower(make([]byte, 0, 64), name))]
	if !found {
		return nil
	}
	return &h.groups[i]
}

// all returns the fields of a name from the top.
func (h *header) all(name string) [][]byte {
	g := h.find(name)
	if g == nil {
		return nil
	}
	raws := make([][]byte, 0, g.count)
	for i := g.lowest; i >= 0; i = h.fields[i].above {
		raws = append(raws, h.fields[i].raw)
	}
	slices.Reverse(raws)
	return raws
}

// rewind has take begin anew.
func (h *header) rewind() {
	h.sort()
	for i := range h.groups {
		h.groups[i].next = h.groups[i].lowest
	}
}

// take returns the lowest field of a name that was not taken yet; nil: there is none.
func (h *header) take(name string) []byte {
	g := h.find(name)
	if g == nil || g.next < 0 {
		return nil
	}
	f := &h.fields[g.next]
	g.next = f.above
	return f.raw
}

// prepend puts fields on top, the first one topmost. None of them has an invalid name.
func (h *header) prepend(raws [][]byte) {
	h.sort()
	for _, raw := range slices.Backward(raws) {
		scanner := mailheader.NewScanner(raw)
		f, _ := scanner.Next()
		n := int32(len(h.fields))
		h.fields = append(h.fields, field{raw: f.Raw, above: -1})
		g, found := h.group(string(appendLower(nil, f.Name())))
		if !found {
			g.lowest = n
			continue
		}
		top := g.lowest
		for h.fields[top].above >= 0 {
			top = h.fields[top].above
		}
		h.fields[top].above = n
	}
}

// appendLower appends a name in lower case. Only letters of ASCII have one there.
func appendLower[T []byte | string](dst []byte, name T) []byte {
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

package edit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/mailbody"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

// MaxHeader is the length of the longest header that is edited, in bytes.
const MaxHeader = 4 << 20

// Finish applies the property headers of a message to its mail. It fits the engine's hook of the same name.
func Finish(_ context.Context, m *queue.Message) (queue.Body, error) { return Apply(m.Body, m.Headers) }

// Apply returns the mail with its header edited. The content is not copied: what comes back refers to body, and is
// valid as long as that is. Without edits it is body itself. A field name that no mail may have, and a header beyond
// MaxHeader, are a *queue.PropertyError. A mail that cannot be read comes back as one that fails with the same error
// when it is sent.
func Apply(body queue.Body, edits *queue.HeaderEdits) (queue.Body, error) {
	if body == nil || empty(edits) {
		return body, nil
	}
	if err := check(edits); err != nil {
		return nil, err
	}
	header, err := mailbody.Header(body, MaxHeader)
	if errors.Is(err, mailbody.ErrLong) {
		return nil, &queue.PropertyError{Property: "mime", Want: "a header of at most " + strconv.Itoa(MaxHeader) + " bytes",
			Got: "a longer one"}
	} else if err != nil {
		return &mailbody.Broken{Length: body.Size(), Err: err}, nil
	}
	if mailheader.Headless(header) {
		header = nil
	}
	return mailbody.Join(newHeader(header, edits), body, int64(len(header))), nil
}

func empty(e *queue.HeaderEdits) bool {
	return e == nil || len(e.Remove)+len(e.Prepend)+len(e.Append)+len(e.Replace)+len(e.Update) == 0
}

// check refuses names that would break the header. Names to remove can do no harm.
func check(e *queue.HeaderEdits) error {
	for _, list := range []struct {
		property string
		fields   []queue.Field
	}{{"prepend", e.Prepend}, {"append", e.Append}, {"replace", e.Replace}, {"update", e.Update}} {
		for _, f := range list.fields {
			if !validName(f.Name) {
				return &queue.PropertyError{Property: "headers." + list.property,
					Want: "the name of a header field (RFC 5322 §3.6.8)",
					Got:  fmt.Sprintf("%.80q", f.Name)}
			}
		}
	}
	return nil
}

func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return name != "" && len(name) < 900 // with room on a line of 998 bytes
}

// newHeader makes the new header in one pass over the old one.
func newHeader(header []byte, e *queue.HeaderEdits) []byte {
	w := writer{
		out:     make([]byte, 0, len(header)+1024),
		removed: make(map[string]bool, len(e.Remove)),
		replace: collect(e.Replace),
		update:  collect(e.Update),
	}
	for _, name := range e.Remove {
		w.removed[strings.ToLower(strings.TrimSpace(name))] = true
	}
	w.fields(e.Prepend)
	scanner := mailheader.NewScanner(header)
	for f, ok := scanner.Next(); ok; f, ok = scanner.Next() {
		w.field(f)
	}
	w.missing(e.Replace)
	w.fields(e.Append)
	if rest := header[scanner.Offset():]; len(rest) > 0 {
		return append(w.out, rest...)
	}
	return append(w.out, '\r', '\n')
}

// writer writes a header.
type writer struct {
	out             []byte
	removed         map[string]bool
	replace, update map[string]*values
}

// values are the new values of the fields of one name.
type values struct {
	fields []queue.Field
	done   bool // they are written
}

// collect gathers fields by name. Several of one name take the place of the first together.
func collect(fields []queue.Field) map[string]*values {
	if len(fields) == 0 {
		return nil
	}
	byName := make(map[string]*values, len(fields))
	for _, f := range fields {
		name := strings.ToLower(f.Name)
		v := byName[name]
		if v == nil {
			v = &values{}
			byName[name] = v
		}
		v.fields = append(v.fields, f)
	}
	return byName
}

// field takes a field of the old header.
func (w *writer) field(f mailheader.Field) {
	if len(f.Name()) == 0 {
		w.raw(f.Raw)
		return
	}
	name := strings.ToLower(string(f.Name()))
	if w.removed[name] {
		return
	}
	v := w.update[name]
	if v == nil {
		v = w.replace[name]
	}
	switch {
	case v == nil:
		w.raw(f.Raw)
	case !v.done:
		v.done = true
		w.fields(v.fields)
	}
}

// missing appends what was to be replaced but is not there. An update of the same name has the last word on its value.
func (w *writer) missing(replace []queue.Field) {
	for _, f := range replace {
		name := strings.ToLower(f.Name)
		v := w.replace[name]
		if v.done {
			continue
		}
		v.done = true
		if u := w.update[name]; u != nil {
			if !u.done {
				w.fields(u.fields)
			}
			continue
		}
		w.fields(v.fields)
	}
}

func (w *writer) fields(list []queue.Field) {
	for _, f := range list {
		w.out = mailheader.AppendField(w.out, f.Name, f.Value)
	}
}

// raw copies a field as it is. The last one of a mail that ends in its header may have no line end.
func (w *writer) raw(field []byte) {
	w.out = append(w.out, field...)
	if n := len(field); n > 0 && field[n-1] != '\n' {
		w.out = append(w.out, '\r', '\n')
	}
}

package queue

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// encoder appends JSON.
type encoder struct {
	dst    []byte
	record bool // leave out mail and secrets
	err    error
}

func (e *encoder) string(s string) { e.dst = rawjson.AppendString(e.dst, s) }
func (e *encoder) raw(r []byte)    { e.dst = append(e.dst, r...) }
func (e *encoder) int(n int64)     { e.dst = strconv.AppendInt(e.dst, n, 10) }

func (e *encoder) time(t time.Time) {
	e.dst = append(e.dst, '"')
	e.dst = time.Unix(min(max(t.Unix(), minUnix), maxUnix), 0).UTC().AppendFormat(e.dst, timeLayout)
	e.dst = append(e.dst, '"')
}

// begin and next write the punctuation of lists: e.begin('['); for … { e.next(i); … }; e.end(']').
func (e *encoder) begin(c byte) { e.dst = append(e.dst, c) }
func (e *encoder) end(c byte)   { e.dst = append(e.dst, c) }
func (e *encoder) next(i int) {
	if i > 0 {
		e.dst = append(e.dst, ',')
	}
}

func (e *encoder) strings(list []string) {
	e.begin('[')
	for i, s := range list {
		e.next(i)
		e.string(s)
	}
	e.end(']')
}

// mime writes the mail: as a string when it is UTF-8, else in base64.
func (e *encoder) mime(b Body) {
	data, err := ReadBody(b)
	if err != nil {
		e.err = &DamageError{Reason: err.Error()}
		return
	}
	if utf8.Valid(data) {
		e.dst = rawjson.AppendString(e.dst, data)
		return
	}
	e.dst = append(e.dst, '"')
	e.dst = base64.StdEncoding.AppendEncode(e.dst, data)
	e.dst = append(e.dst, `","mime-encoding":"base64"`...)
}

// writeObject writes v by its table. extra holds further members, those of nested objects under the object's name;
// forms holds members as they came, which stand for as long as they say what v says.
func writeObject[T any](e *encoder, table []property[T], v *T, extra, forms map[string]json.RawMessage) {
	e.begin('{')
	first := len(e.dst)
	var written uint64 // a bit for each property of the table
	for i := range table {
		p := &table[i]
		if p.write == nil {
			continue
		}
		mark := len(e.dst)
		if mark > first {
			e.dst = append(e.dst, ',')
		}
		e.dst = append(e.dst, p.key...)
		before := len(e.dst)
		p.write(e, v)
		if len(forms) > 0 && !(e.record && p.private) {
			if form := forms[p.name]; form != nil && p.says(value(form), e.dst[before:]) {
				e.dst = append(e.dst[:before], form...)
				written |= 1 << i
				continue
			}
		}
		if len(e.dst) == before {
			e.dst = e.dst[:mark]
			continue
		}
		written |= 1 << i
		if len(extra) > 0 && !(e.record && p.private) {
			e.join(extra[p.name])
		}
	}
	if len(extra) > 0 {
		writeExtra(e, table, extra, written, first)
	}
	e.end('}')
}

// says reports whether a value, as it came, means what is written.
func (p *property[T]) says(came value, written []byte) bool {
	var t T
	if (!came.isNull() || p.null) && p.read(new(decoder), came, &t) != nil {
		return false
	}
	var e encoder
	p.write(&e, &t)
	return bytes.Equal(e.dst, written)
}

// join adds the members of an object to the object that was written last.
func (e *encoder) join(object json.RawMessage) {
	if len(object) < 3 || object[0] != '{' || e.dst[len(e.dst)-1] != '}' || rawjson.TrimSpace(object[1:])[0] == '}' {
		return
	}
	e.dst = e.dst[:len(e.dst)-1]
	if e.dst[len(e.dst)-1] != '{' {
		e.dst = append(e.dst, ',')
	}
	e.raw(object[1:])
}

func writeExtra[T any](e *encoder, table []property[T], extra map[string]json.RawMessage, written uint64, first int) {
	for _, name := range sortedNames(extra) {
		if i := find(table, name); i >= 0 && (written&(1<<i) != 0 || e.record && table[i].private) {
			continue
		}
		if len(e.dst) > first {
			e.dst = append(e.dst, ',')
		}
		e.string(name)
		e.dst = append(e.dst, ':')
		if len(extra[name]) == 0 {
			e.dst = append(e.dst, "null"...)
		}
		e.raw(extra[name])
	}
}

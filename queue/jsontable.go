package queue

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// property says how one member of an object is read and written. Tables of them describe messages, results, and what is
// nested in them; nothing here needs reflection. A table has at most 64 properties.
type property[T any] struct {
	name string
	key  string // as written: quoted, with a colon
	// read sets the field from a value that is not null, or leaves it alone and says what is wrong.
	read func(d *decoder, v value, t *T) *PropertyError
	// write appends the value; nothing at all means that the property is absent. Nil: another property writes it.
	write   func(e *encoder, t *T)
	null    bool // read wants null, too
	private bool // may hold secrets or mail: what is kept unread of it stays out of records
	always  bool // written even when zero: one that is missing came in another form
	part    bool // says how another property is to be read, and has no form of its own
}

// decoder is what reading a message keeps on the side.
type decoder struct {
	unknown      json.RawMessage // members of the object just read that nobody knows, as an object
	odd          bool            // the value just read is not written as it would be here
	mime, coding value
}

func find[T any, S string | []byte](table []property[T], name S) int {
	for i := range table {
		if table[i].name == string(name) {
			return i
		}
	}
	return -1
}

// readObject fills t from an object. Of members with the same name the last one counts; null is as if absent. Members
// that nobody knows go into extra. It returns the first error; with forms, it goes on after it, members of a wrong type
// or value go into extra, too, and those written otherwise than they would be here into forms. Without, d.odd tells of
// these.
func readObject[T any](d *decoder, table []property[T], v value, t *T, extra,
	forms *map[string]json.RawMessage) *PropertyError {
	if !v.isObject() {
		return v.wrongKind("an object")
	}
	var room [64]value
	found := room[:len(table)]
	rawjson.Members(v, func(name []byte, v value) bool {
		if i := find(table, name); i >= 0 {
			found[i] = v
		} else {
			keep(extra, string(name), rawjson.Compact(v))
		}
		return true
	})
	var first *PropertyError
	for i, v := range found {
		p := &table[i]
		if v == nil {
			d.odd = d.odd || p.always
			continue
		}
		if forms != nil {
			d.odd = false
		}
		d.unknown = nil
		var err *PropertyError
		if v.isNull() && !p.null {
			d.odd = true
		} else {
			err = p.read(d, v, t)
		}
		switch {
		case err != nil && forms == nil:
			return err.under(p.name)
		case err != nil:
			if first == nil {
				first = err.under(p.name)
			}
			keep(extra, p.name, rawjson.Compact(v))
			continue
		case d.unknown != nil:
			keep(extra, p.name, d.unknown)
		}
		if d.odd && forms != nil && !p.part {
			keep(forms, p.name, rawjson.Compact(v))
		}
	}
	d.unknown = nil
	return first
}

func keep(extra *map[string]json.RawMessage, name string, v json.RawMessage) {
	if *extra == nil {
		*extra = make(map[string]json.RawMessage)
	}
	(*extra)[name] = v
}

func define[T any](name string, read func(*decoder, value, *T) *PropertyError, write func(*encoder, *T)) property[T] {
	return property[T]{name: name, key: string(append(rawjson.AppendString(nil, name), ':')), read: read, write: write}
}

// text is a string that is absent when empty.
func text[T any, S ~string](name string, field func(*T) *S) property[T] {
	return define(name, func(d *decoder, v value, t *T) *PropertyError {
		s, err := d.text(v)
		if err == nil {
			*field(t) = S(s)
		}
		return err
	}, func(e *encoder, t *T) {
		if s := *field(t); s != "" {
			e.string(string(s))
		}
	})
}

// choice is a string of a few that are possible; others make an error.
func choice[T any, S ~string](name, want string, field func(*T) *S, normal func(string) (string, bool)) property[T] {
	p := text(name, field)
	p.read = func(d *decoder, v value, t *T) *PropertyError {
		if !v.isString() {
			return v.wrong(want)
		}
		written, _ := d.text(v)
		s, ok := normal(written)
		if !ok {
			return v.wrong(want)
		}
		d.odd = d.odd || s != written
		*field(t) = S(s)
		return nil
	}
	return p
}

// secret is a string that no record and no error shows.
func secret[T any](name string, field func(*T) *string) property[T] {
	p := text(name, field)
	p.private = true
	p.read = func(d *decoder, v value, t *T) *PropertyError {
		s, err := d.text(v)
		if err != nil {
			err.Got = "something else"
			return err
		}
		*field(t) = s
		return nil
	}
	write := p.write
	p.write = func(e *encoder, t *T) {
		if !e.record {
			write(e, t)
		}
	}
	return p
}

// flag is a boolean that is absent when false.
func flag[T any](name string, field func(*T) *bool) property[T] {
	return define(name, func(d *decoder, v value, t *T) *PropertyError {
		b, err := d.bool(v)
		if err == nil {
			*field(t) = b
		}
		return err
	}, func(e *encoder, t *T) {
		if *field(t) {
			e.raw([]byte("true"))
		}
	})
}

// number is a whole number that is absent when zero.
func number[T any, N int | int64](name string, lo, hi int64, field func(*T) *N) property[T] {
	return define(name, func(d *decoder, v value, t *T) *PropertyError {
		n, err := d.int(v, lo, hi)
		if err == nil {
			*field(t) = N(n)
		}
		d.odd = d.odd || n == 0
		return err
	}, func(e *encoder, t *T) {
		if n := *field(t); n != 0 {
			e.int(int64(n))
		}
	})
}

// count is a number that is not negative.
func count[T any, N int | int64](name string, field func(*T) *N) property[T] {
	return number(name, 0, math.MaxInt32, field)
}

// stamp is a time that is absent when zero.
func stamp[T any](name string, field func(*T) *time.Time) property[T] {
	return define(name, func(d *decoder, v value, t *T) *PropertyError {
		at, err := d.time(v)
		if err == nil {
			*field(t) = at
		}
		return err
	}, func(e *encoder, t *T) {
		if at := *field(t); !at.IsZero() {
			e.time(at)
		}
	})
}

// texts is an array of strings that is absent when empty.
func texts[T any](name string, loose bool, field func(*T) *[]string) property[T] {
	return define(name, func(d *decoder, v value, t *T) *PropertyError {
		list, err := d.texts(v, loose)
		if err == nil {
			*field(t) = list
		}
		return err
	}, func(e *encoder, t *T) {
		if list := *field(t); len(list) > 0 {
			e.strings(list)
		}
	})
}

// blob is an object that is kept as it is.
func blob[T any](name string, field func(*T) *json.RawMessage) property[T] {
	return define(name, func(_ *decoder, v value, t *T) *PropertyError {
		if !v.isObject() {
			return v.wrong("an object")
		}
		*field(t) = rawjson.Compact(v)
		return nil
	}, func(e *encoder, t *T) { e.raw(*field(t)) })
}

// nested is an object with a table of its own. Its unknown members are handed up in d.unknown.
func nested[T, U any](name string, table []property[U], field func(*T) **U) property[T] {
	return define(name, func(d *decoder, v value, t *T) *PropertyError {
		u := new(U)
		var extra map[string]json.RawMessage
		if err := readObject(d, table, v, u, &extra, nil); err != nil {
			return err
		}
		*field(t) = u
		if len(extra) > 0 {
			e := encoder{}
			writeObject(&e, nil, u, extra, nil)
			d.unknown = e.dst
		}
		return nil
	}, func(e *encoder, t *T) {
		if u := *field(t); u != nil {
			writeObject(e, table, u, nil, nil)
		}
	})
}

// always has a flag or a number written when it is zero, too.
func always[T any](p property[T], zero string) property[T] {
	read, write := p.read, p.write
	p.always = true
	p.read = func(d *decoder, v value, t *T) *PropertyError {
		odd := d.odd
		err := read(d, v, t)
		if string(v) == zero {
			d.odd = odd
		}
		return err
	}
	p.write = func(e *encoder, t *T) {
		n := len(e.dst)
		if write(e, t); len(e.dst) == n {
			e.dst = append(e.dst, zero...)
		}
	}
	return p
}

// readList reads an array, or one value that stands for an array of one when single.
func readList[U any](v value, single bool, read func(value, *U) *PropertyError) (list []U, err *PropertyError) {
	one := func(i int, v value) bool {
		var u U
		if err = read(v, &u); err != nil {
			err = err.under(strconv.Itoa(i))
			return false
		}
		list = append(list, u)
		return true
	}
	if v.isArray() {
		rawjson.Elements(v, one)
	} else if single && v.isObject() {
		var u U
		if err = read(v, &u); err == nil {
			list = []U{u}
		}
	} else {
		err = v.wrongKind("an array of objects")
	}
	return list, err
}

package queue

import "github.com/sluicemail/sluice/internal/rawjson"

// headersTable describes edits of the header. Lists of fields are objects, {"Name": "value"} or {"Name": ["a", "b"]},
// or arrays of such objects where order matters.
var headersTable = []property[HeaderEdits]{
	define("remove", readRemove, func(e *encoder, h *HeaderEdits) {
		if len(h.Remove) > 0 {
			e.strings(h.Remove)
		}
	}),
	fields("prepend", func(h *HeaderEdits) *[]Field { return &h.Prepend }),
	fields("append", func(h *HeaderEdits) *[]Field { return &h.Append }),
	addFields(),
	fields("replace", func(h *HeaderEdits) *[]Field { return &h.Replace }),
	fields("update", func(h *HeaderEdits) *[]Field { return &h.Update }),
}

// readRemove reads an array of names, or one name.
func readRemove(d *decoder, v value, h *HeaderEdits) (err *PropertyError) {
	if !v.isString() {
		h.Remove, err = d.texts(v, false)
		return err
	}
	d.odd = true
	if name := v.unquote(); name != "" {
		h.Remove = []string{name}
	}
	return nil
}

func fields(name string, list func(*HeaderEdits) *[]Field) property[HeaderEdits] {
	return define(name, func(d *decoder, v value, h *HeaderEdits) *PropertyError {
		found, err := readFields(v)
		if err == nil {
			*list(h) = append(*list(h), found...)
		}
		d.odd = d.odd || !plainFields(v, found)
		return err
	}, func(e *encoder, h *HeaderEdits) { writeFields(e, *list(h)) })
}

// addFields is the other name of append; what it adds comes behind.
func addFields() property[HeaderEdits] {
	p := fields("add", func(h *HeaderEdits) *[]Field { return &h.Append })
	read := p.read
	p.read = func(d *decoder, v value, h *HeaderEdits) *PropertyError {
		d.odd = true
		return read(d, v, h)
	}
	p.write = nil
	return p
}

func readFields(v value) (list []Field, err *PropertyError) {
	switch {
	case v.isObject():
		rawjson.Members(v, func(name []byte, v value) bool {
			list, err = appendField(list, string(name), v)
			err = err.under(string(name))
			return err == nil
		})
	case v.isArray():
		rawjson.Elements(v, func(i int, v value) bool {
			var some []Field
			if !v.isObject() {
				err = v.wrong("an object")
			} else {
				some, err = readFields(v)
			}
			list = append(list, some...)
			return err == nil
		})
	default:
		err = v.wrong("an object of header fields")
	}
	return list, err
}

// appendField reads the value, or the values, of the field with this name.
func appendField(list []Field, name string, v value) ([]Field, *PropertyError) {
	if !validFieldName(name) {
		return list, v.wrong("the name of a header field (RFC 5322 §3.6.8)").got("something else")
	}
	switch {
	case v.isArray():
		var err *PropertyError
		rawjson.Elements(v, func(_ int, v value) bool {
			if v.isArray() || v.isObject() || v.isNull() {
				err = v.wrong("a string")
				return false
			}
			list = append(list, Field{name, v.scalar()})
			return true
		})
		return list, err
	case v.isObject():
		return list, v.wrong("a string or an array of strings")
	case v.isNull():
		return list, nil
	}
	return append(list, Field{name, v.scalar()}), nil
}

func validFieldName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return name != ""
}

func uniqueNames(list []Field) bool {
	names := make(map[string]bool, len(list))
	for i := range list {
		names[list[i].Name] = true
	}
	return len(names) == len(list)
}

// plainFields reports whether v, of which list was read, has the form that writeFields gives it.
func plainFields(v value, list []Field) bool {
	plain := len(list) > 0 && v.isObject() == uniqueNames(list)
	each := func(_ []byte, v value) bool {
		plain = plain && v.isString()
		return plain
	}
	if v.isObject() {
		rawjson.Members(v, each)
	} else if v.isArray() {
		n := 0
		rawjson.Elements(v, func(_ int, v value) bool {
			n++
			if v.isObject() {
				rawjson.Members(v, each)
			}
			return plain
		})
		plain = plain && n == len(list)
	}
	return plain
}

// writeFields writes an object when every name occurs once, else an array of objects.
func writeFields(e *encoder, list []Field) {
	if len(list) == 0 {
		return
	}
	open, separator, end := "{", ",", "}"
	if !uniqueNames(list) {
		open, separator, end = "[{", "},{", "}]"
	}
	for i, f := range list {
		if i == 0 {
			e.raw([]byte(open))
		} else {
			e.raw([]byte(separator))
		}
		e.string(f.Name)
		e.dst = append(e.dst, ':')
		e.string(f.Value)
	}
	e.raw([]byte(end))
}

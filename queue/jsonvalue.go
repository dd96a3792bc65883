package queue

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// value is the text of one valid JSON value.
type value []byte

// timeLayout is how time stamps are written, in UTC.
const timeLayout = "2006-01-02 15:04:05"

func (v value) isString() bool { return v[0] == '"' }
func (v value) isObject() bool { return v[0] == '{' }
func (v value) isArray() bool  { return v[0] == '[' }
func (v value) isNull() bool   { return v[0] == 'n' }
func (v value) isNumber() bool { return v[0] == '-' || isDigit(v[0]) }

func (v value) unquote() string { return rawjson.Unquote(v) }

// scalar returns the text of a string, a number or a boolean; "" of anything else.
func (v value) scalar() string {
	switch {
	case v.isString():
		return v.unquote()
	case v.isObject(), v.isArray(), v.isNull():
		return ""
	}
	return string(v)
}

// wrong makes the error that v is not what is wanted. The property's name is added on the way up.
func (v value) wrong(want string) *PropertyError {
	return &PropertyError{Want: want, Got: v.describe()}
}

// describe says what v is, shortened.
func (v value) describe() string {
	switch {
	case v.isString():
		return "the string " + strconv.Quote(shorten(v.unquote()))
	case v.isNumber():
		return "the number " + shorten(string(v))
	case v.isObject():
		return "an object"
	case v.isArray():
		return "an array"
	}
	return string(v)
}

// wrongKind is wrong, but does not show the value, which may hold a secret.
func (v value) wrongKind(want string) *PropertyError {
	return &PropertyError{Want: want, Got: v.kind()}
}

// kind says what v is without its content.
func (v value) kind() string {
	switch {
	case v.isString():
		return "a string"
	case v.isNumber():
		return "a number"
	}
	return v.describe()
}

func shorten(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// The methods below read one value each, and note in d.odd whether it is in another form than it would be written in.

// text reads a string.
func (d *decoder) text(v value) (string, *PropertyError) {
	if !v.isString() {
		return "", v.wrong("a string")
	}
	d.odd = d.odd || len(v) == len(`""`)
	return v.unquote(), nil
}

// bool reads a boolean, which may come as a number or a string.
func (d *decoder) bool(v value) (bool, *PropertyError) {
	if v[0] == 't' {
		return true, nil
	}
	d.odd = true
	switch strings.ToLower(v.scalar()) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, v.wrong("a boolean")
}

// int reads a whole number between lo and hi, which may come as a string.
func (d *decoder) int(v value, lo, hi int64) (int64, *PropertyError) {
	n, ok := int64(0), v.isNumber() || v.isString()
	if ok {
		text := v.scalar()
		n, ok = wholeNumber(text)
		d.odd = d.odd || v.isString() || strings.ContainsAny(text, ".eE")
	}
	if !ok {
		return 0, v.wrong("a whole number")
	}
	if n < lo || n > hi {
		return 0, v.wrong("a whole number from " + strconv.FormatInt(lo, 10) + " to " + strconv.FormatInt(hi, 10))
	}
	return n, nil
}

// wholeNumber reads "25", and also "25.0" and "2.5e1".
func wholeNumber(s string) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	if strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// time reads a time stamp; see ParseTime.
func (d *decoder) time(v value) (time.Time, *PropertyError) {
	if v.isString() {
		text := v.unquote()
		if t, ok := ParseTime(text); ok {
			d.odd = d.odd || len(text) != len(timeLayout) || text[len("2006-01-02")] != ' ' || t.IsZero()
			return t, nil
		}
	}
	return time.Time{}, v.wrong(`a UTC time such as "2030-12-31 23:59:59"`)
}

// ParseTime reads a time stamp: MailerQ's, "2030-12-31 23:59:59" in UTC, or in the form of RFC 3339, as other programs
// write it: "2030-12-31T23:59:59.123+02:00". Without an offset it is UTC.
func ParseTime(text string) (time.Time, bool) {
	if len(text) == len(timeLayout) {
		if t, err := time.Parse(timeLayout, text); err == nil {
			return t, true
		}
	}
	const date = len("2006-01-02")
	if len(text) < len(timeLayout) || len(text) > 40 || strings.IndexByte(" Tt", text[date]) < 0 {
		return time.Time{}, false
	}
	text = text[:date] + "T" + text[date+1:]
	if strings.HasSuffix(text, "z") {
		text = text[:len(text)-1] + "Z"
	}
	for _, layout := range [...]string{"2006-01-02T15:04:05", time.RFC3339} { // both read fractions
		if t, err := time.Parse(layout, text); err == nil {
			t = t.UTC()
			return t, t.Year() > 0 && t.Year() < 10000
		}
	}
	return time.Time{}, false
}

// texts reads an array of strings. Numbers count as their text when loose. An empty array gives nil.
func (d *decoder) texts(v value, loose bool) (list []string, err *PropertyError) {
	if !v.isArray() {
		return nil, v.wrong("an array of strings")
	}
	rawjson.Elements(v, func(i int, e value) bool {
		if e.isString() || loose && e.isNumber() {
			d.odd = d.odd || e.isNumber()
			list = append(list, e.scalar())
			return true
		}
		err = e.wrong("a string")
		err.Property = strconv.Itoa(i)
		return false
	})
	d.odd = d.odd || list == nil
	return list, err
}

// under puts a name in front of the path of the property that is wrong.
func (e *PropertyError) under(name string) *PropertyError {
	if e == nil {
		return nil
	}
	if e.Property == "" {
		e.Property = name
	} else {
		e.Property = name + "." + e.Property
	}
	return e
}

package admin

import (
	"maps"
	"strconv"
	"strings"
	"time"
)

// Types that only parameters have, not columns.
const (
	IDs Type = "ids" // []int64; as text with commas between
	Age Type = "age" // a time.Duration; as text 90s, 15m, 2h, 3d, or seconds
)

// Wrong makes an [Invalid] error about one field.
func Wrong(field string, given any, expected string) error { return invalid(field, given, expected) }

// CheckFields gives each value the type and the first name of its field, in place, and takes out those that are
// ignored. An [Invalid] error names every field that is not known, has a value that cannot be, is missing, or is given
// beside one that excludes it.
func CheckFields(fields []Field, values Values) error {
	t := &Table{Fields: fields}
	wrong := firstNames(fields, values)
	out, err := normal(t, values)
	if bad, ok := err.(*Invalid); ok {
		wrong = append(wrong, bad.Problems...)
	}
	for i := range fields {
		f := &fields[i]
		given := isSet(values[f.Name])
		if f.Required && !given {
			wrong = append(wrong, Problem{Field: f.Name, Expected: f.Expected()})
		}
		if given && f.Excludes > f.Name && isSet(values[f.Excludes]) {
			wrong = append(wrong, Problem{Field: f.Name, Given: show(values[f.Name]),
				Expected: f.Name + " or " + f.Excludes + ", not both"})
		}
	}
	if wrong != nil {
		return &Invalid{wrong}
	}
	clear(values)
	maps.Copy(values, out)
	return nil
}

// firstNames gives the values that came under another name of their field its first.
func firstNames(fields []Field, values Values) (wrong []Problem) {
	for i := range fields {
		f := &fields[i]
		v, given := values[f.Also]
		if f.Also == "" || !given {
			continue
		}
		delete(values, f.Also)
		settled, p := f.Value(v)
		switch first := values[f.Name]; {
		case p != nil:
			p.Field = f.Also
			wrong = append(wrong, *p)
		case !isSet(first):
			values[f.Name] = settled
		case isSet(settled):
			if same, _ := f.Value(first); same != settled {
				wrong = append(wrong, Problem{Field: f.Also, Given: show(v), Expected: "the same as " + f.Name + ", or nothing"})
			}
		}
	}
	return wrong
}

func isSet(v any) bool { return v != nil && v != "" }

func (f *Field) ids(given any) (any, *Problem) {
	var list []any
	switch v := given.(type) {
	case []int64:
		return v, nil
	case []any:
		list = v
	case string:
		for one := range strings.SplitSeq(v, ",") {
			list = append(list, one)
		}
	default:
		list = []any{v}
	}
	out := make([]int64, 0, len(list))
	for _, one := range list {
		n, ok := asInteger(one)
		if !ok || n < 1 {
			return nil, f.problem(one, f.Expected())
		}
		out = append(out, n)
	}
	return out, nil
}

// ParseAge reads a span of time such as 90s, 15m, 2h or 3d; "" is none. An [Invalid] error names the field.
func ParseAge(field, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	f := Field{Name: field, Type: Age}
	age, problem := f.age(strings.ReplaceAll(text, " ", ""))
	if problem != nil {
		return 0, invalid(field, text, "an age such as 90s, 15m, 2h or 3d")
	}
	return age.(time.Duration), nil
}

func (f *Field) age(given any) (any, *Problem) {
	if d, ok := given.(time.Duration); ok {
		return d, nil
	}
	if n, ok := asInteger(given); ok && n >= 0 && n < 1<<33 {
		return time.Duration(n) * time.Second, nil
	}
	s, _ := given.(string)
	s = strings.TrimSpace(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return d, nil
	}
	return nil, f.problem(given, f.Expected())
}

package report

import (
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// fields is a group of fields, as reports for machines consist of: by name in lower case, in order.
type fields map[string][]string

// maxGroups bounds the groups of a report, and so the recipients; maxFields the fields of all groups.
const (
	maxGroups = 10_000
	maxFields = 100_000
)

// parseGroups reads groups of fields with empty lines between them. Lines that are no field are skipped.
func parseGroups(text []byte) (all []fields, err error) {
	count := 0
	for len(text) > 0 {
		n, _ := mailheader.Length(text, 0)
		if n == 0 {
			break
		}
		group := fields{}
		s := mailheader.NewScanner(text[:n])
		for f, ok := s.Next(); ok; f, ok = s.Next() {
			if len(f.Name()) > 0 {
				name := strings.ToLower(string(f.Name()))
				group[name] = append(group[name], fieldText(f))
				count++
			}
			if count > maxFields {
				return nil, tooMany(maxFields, "fields")
			}
		}
		if len(group) > 0 {
			all = append(all, group)
		}
		if len(all) > maxGroups {
			return nil, tooMany(maxGroups, "groups of fields")
		}
		text = text[n:]
	}
	return all, nil
}

// get returns the first value of a field, without comments behind a semicolon being touched.
func (f fields) get(name string) string {
	if values := f[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// typed returns the value of a field of the form "type; value" (RFC 3464 §2.1.2).
func (f fields) typed(name string) (typ, value string) {
	typ, value, ok := strings.Cut(f.get(name), ";")
	if !ok {
		return "", strings.TrimSpace(typ)
	}
	return strings.ToLower(strings.TrimSpace(typ)), strings.TrimSpace(value)
}

// mta returns the name of a server of the form "dns; name (comment)".
func (f fields) mta(name string) string {
	_, value := f.typed(name)
	value, _, _ = strings.Cut(value, "(")
	return strings.TrimSuffix(strings.TrimSpace(value), ".")
}

// address returns an address of the form "rfc822; a@b".
func (f fields) address(name string) string {
	typ, value := f.typed(name)
	if typ == "utf-8" {
		value = decodeUnicode(value)
	}
	return bare(value)
}

// time returns a date; zero when there is none that makes sense.
func (f fields) time(name string) time.Time {
	return parseDate(f.get(name))
}

func parseDate(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	if t, err := mail.ParseDate(text); err == nil {
		return t.UTC()
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC()
	}
	return time.Time{}
}

// bare returns an address or id without blanks and angle brackets around it.
func bare(s string) string {
	s = strings.TrimSpace(s)
	if inner, ok := strings.CutPrefix(s, "<"); ok {
		if i := strings.LastIndexByte(inner, '>'); i >= 0 {
			return strings.TrimSpace(inner[:i])
		}
	}
	return s
}

// readable returns a text as UTF-8: one that is not is taken for ISO 8859-1, in which the letters of most of its
// languages come out right, and ASCII in any case.
func readable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// decodeUnicode undoes \x{20AC} of an address (RFC 6533 §3).
func decodeUnicode(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, `\x{`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		code, after, closed := strings.Cut(rest, "}")
		n, err := strconv.ParseUint(code, 16, 21)
		if !closed || err != nil {
			b.WriteString(`\x{`)
			s = rest
			continue
		}
		b.WriteRune(rune(n))
		s = after
	}
}

// number returns a count; def when there is none that makes sense.
func number(text string, def int) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 {
		return def
	}
	return n
}

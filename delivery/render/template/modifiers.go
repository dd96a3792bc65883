package template

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"html"
	"strings"
	"unicode/utf8"
)

// modifier is what a name after | stands for.
type modifier struct {
	text  func(r *running, v value, args []value) value // of everything but lists and objects
	lists func(r *running, v value, args []value) value // nil: no effect on them
}

// ofString makes a modifier of texts, which leaves lists as they are.
func ofString(f func(r *running, s string, args []value) string) *modifier {
	return &modifier{text: func(r *running, v value, args []value) value {
		s := v.String()
		if !r.read(len(s)) {
			return value{}
		}
		if s = f(r, s, args); !r.fits(len(s)) {
			return value{}
		}
		return ofText(s)
	}}
}

// counting makes a modifier that counts something in texts; lists count as zero.
func counting(f func(s string) int) *modifier {
	return &modifier{
		text: func(r *running, v value, _ []value) value {
			s := v.String()
			if !r.read(len(s)) {
				return value{}
			}
			return ofInt(int64(f(s)))
		},
		lists: zero,
	}
}

func zero(*running, value, []value) value { return ofInt(0) }

// hashing makes a modifier that prints a checksum; that of a list is the one of its values after each other, without
// keys.
func hashing(f func(data []byte) []byte) *modifier {
	how := func(r *running, v value, _ []value) value {
		data, ok := v.values(r, nil)
		if !ok || !r.read(len(data)) {
			return value{}
		}
		return ofText(hex.EncodeToString(f(data)))
	}
	return &modifier{text: how, lists: how}
}

// values adds all that is in v to dst.
func (v *value) values(r *running, dst []byte) ([]byte, bool) {
	if !v.compound() {
		dst = v.append(dst)
		return dst, r.fits(len(dst))
	}
	ok := true
	for i := range v.node.values {
		if dst, ok = v.node.values[i].values(r, dst); !ok || !r.step(1) {
			return nil, false
		}
	}
	return dst, ok
}

// modifiers are those of MailerQ (MailerQ 5.13, personalization-modifiers).
var modifiers = map[string]*modifier{
	"base64_encode": ofString(func(r *running, s string, _ []value) string { return r.base64(s) }),
	"base64_decode": ofString(base64Decode),
	"cat": {text: cat, lists: func(_ *running, _ value,
		args []value) value {
		return ofText(argument(args, 0, ""))
	}},
	"count": {text: zero, lists: func(_ *running, v value,
		_ []value) value {
		return ofInt(int64(v.length()))
	}},
	"count_characters": counting(utf8.RuneCountInString),
	"count_paragraphs": counting(paragraphs),
	"count_words":      counting(words),
	"default":          {text: byDefault, lists: listDefault},
	"empty": {text: empty, lists: func(_ *running, v value,
		_ []value) value {
		return ofBool(v.length() == 0)
	}},
	"escape":        ofString(escape),
	"indent":        ofString(indent),
	"md5":           hashing(func(data []byte) []byte { sum := md5.Sum(data); return sum[:] }),
	"nl2br":         ofString(nl2br),
	"range":         {text: func(_ *running, v value, _ []value) value { return v }, lists: slice},
	"regex_replace": ofString(regexReplace),
	"replace":       ofString(replace),
	"sha1":          hashing(func(data []byte) []byte { sum := sha1.Sum(data); return sum[:] }),
	"sha256":        hashing(func(data []byte) []byte { sum := sha256.Sum256(data); return sum[:] }),
	"sha512":        hashing(func(data []byte) []byte { sum := sha512.Sum512(data); return sum[:] }),
	"spacify":       ofString(spacify),
	"strlen":        counting(utf8.RuneCountInString),
	"strstr":        ofString(strstr),
	"substr":        ofString(substr),
	"tolower":       ofString(func(_ *running, s string, _ []value) string { return strings.ToLower(s) }),
	"toupper":       ofString(func(_ *running, s string, _ []value) string { return strings.ToUpper(s) }),
	"trim":          ofString(trim),
	"truncate":      ofString(truncate),
	"ucfirst":       ofString(ucfirst),
	"urlencode":     ofString(func(r *running, s string, _ []value) string { return r.urlEncode(s) }),
	"urldecode":     ofString(func(_ *running, s string, _ []value) string { return urlDecode(s) }),
}

// argument returns an argument as a text, or what it is when it is not given.
func argument(args []value, i int, otherwise string) string {
	if i >= len(args) {
		return otherwise
	}
	return args[i].String()
}

func number(args []value, i, otherwise int) int {
	if i >= len(args) {
		return otherwise
	}
	return args[i].int()
}

func flag(args []value, i int) bool { return i < len(args) && args[i].truth() }

func cat(r *running, v value, args []value) value {
	s, more := v.String(), argument(args, 0, "")
	if !r.room(len(s) + len(more)) {
		return value{}
	}
	return ofText(s + more)
}

// isEmpty reports whether there is nothing to print.
func (v *value) isEmpty() bool { return v.kind == missing || v.kind == text && v.s == "" }

func byDefault(_ *running, v value, args []value) value {
	if v.isEmpty() && len(args) > 0 {
		return args[0]
	}
	return v
}

func listDefault(_ *running, v value, args []value) value {
	if v.length() == 0 && len(args) > 0 {
		return args[0]
	}
	return v
}

// empty is true when there is nothing. The public page says the contrary and shows this.
func empty(_ *running, v value, _ []value) value { return ofBool(v.isEmpty()) }

func slice(_ *running, v value, args []value) value {
	start := min(max(number(args, 0, 0), 0), v.length())
	end := min(max(number(args, 1, v.length()), start), v.length())
	n := &node{values: v.node.values[start:end]}
	if v.kind == object {
		n.keys = v.node.keys[start:end]
	}
	return value{kind: v.kind, node: n}
}

func (r *running) base64(s string) string {
	if !r.room(base64.StdEncoding.EncodedLen(len(s))) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

// base64Decode also takes texts without padding and with line breaks; what is not base64 is nothing.
func base64Decode(_ *running, s string, _ []value) string {
	s = strings.TrimRight(strings.Join(strings.Fields(s), ""), "=")
	data, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(data), "\uFFFD")
}

func escape(r *running, s string, args []value) string {
	switch strings.ToLower(argument(args, 0, "html")) {
	case "html":
		return escapeHTML(r, s)
	case "url":
		return r.urlEncode(s)
	case "base64":
		return r.base64(s)
	}
	return s
}

func escapeHTML(r *running, s string) string {
	special := 0
	for _, c := range []byte(`&<>"'`) {
		special += strings.Count(s, string(rune(c)))
	}
	if special == 0 || !r.room(len(s)+4*special) {
		return s
	}
	return html.EscapeString(s)
}

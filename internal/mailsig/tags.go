package mailsig

import "strings"

// Tag is one name=value of a tag list (RFC 6376 §3.2). Value has no blanks around it; folds within it remain.
type Tag struct {
	Name, Value string
	start, end  int // of the value, blanks around it included, in the list that was parsed
}

// Tags is a tag list in its order.
type Tags []Tag

// maxTags is far more than any standard defines.
const maxTags = 100

// ParseTags reads a tag list. Names are case sensitive; one that comes twice, a part without "=", and control
// characters make the whole list invalid.
func ParseTags(list string) (Tags, error) {
	tags := make(Tags, 0, 12)
	for pos := 0; pos < len(list); {
		end := len(list)
		if i := strings.IndexByte(list[pos:], ';'); i >= 0 {
			end = pos + i
		}
		part := list[pos:end]
		if trim(part) == "" && end == len(list) {
			break // the list may end in a semicolon
		}
		equals := strings.IndexByte(part, '=')
		if equals < 0 {
			return nil, problem(Syntax, "tag without a value")
		}
		tag := Tag{Name: trim(part[:equals]), Value: trim(part[equals+1:]), start: pos + equals + 1, end: end}
		switch {
		case !validName(tag.Name):
			return nil, problem(Syntax, "malformed tag name")
		case !validValue(tag.Value):
			return nil, problem(Syntax, "malformed value of tag "+tag.Name)
		case tags.index(tag.Name) >= 0:
			return nil, problem(Syntax, "tag "+tag.Name+" twice")
		case len(tags) == maxTags:
			return nil, problem(Syntax, "too many tags")
		}
		tags = append(tags, tag)
		pos = end + 1
	}
	return tags, nil
}

// Get returns the value of a tag, "" and false when there is none.
func (t Tags) Get(name string) (string, bool) {
	if i := t.index(name); i >= 0 {
		return t[i].Value, true
	}
	return "", false
}

func (t Tags) index(name string) int {
	for i := range t {
		if t[i].Name == name {
			return i
		}
	}
	return -1
}

func validName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// validValue allows what RFC 6376 §3.2 does, UTF-8 for RFC 8616, and line ends only as part of a fold.
func validValue(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c < ' ' && c != '\t' && c != '\r' && c != '\n' || c == 0x7f {
			return false
		}
	}
	return true
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// trim takes blanks and line ends off both ends.
func trim(s string) string {
	for s != "" && blank(s[0]) {
		s = s[1:]
	}
	for s != "" && blank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// compact takes all blanks and line ends out: lists and base64 may be folded anywhere.
func compact(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if !blank(s[i]) {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// list takes a colon-separated list apart.
func list(s string) []string {
	parts := strings.Split(s, ":")
	for i := range parts {
		parts[i] = trim(parts[i])
	}
	return parts
}

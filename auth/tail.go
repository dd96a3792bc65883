package auth

import (
	"strings"
	"unicode"
)

// The most that is kept of what a program complains, and the most that is logged.
const (
	maxKept   = 8 << 10
	maxLogged = 2 << 10
)

// tail keeps the beginning of what is written to it, and takes the rest without keeping it.
type tail struct {
	kept []byte
	more bool
}

func (t *tail) Write(p []byte) (int, error) {
	room := min(maxKept-len(t.kept), len(p))
	t.kept = append(t.kept, p[:room]...)
	t.more = t.more || room < len(p)
	return len(p), nil
}

// without returns what was kept, cut short, less the lines that show a password or a part of it: shells that trace
// print it quoted in ways of their own.
func (t *tail) without(password string) string {
	text := string(t.kept)
	if t.more { // the last line may be cut in the middle of the password
		text = text[:strings.LastIndexByte(text, '\n')+1]
	}
	parts := strings.FieldsFunc(password, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, password) || containsPart(line, parts) {
			line = "(a line with the password)\n"
		}
		if b.Len()+len(line) > maxLogged {
			b.WriteString("…")
			break
		}
		b.WriteString(line)
	}
	return strings.TrimRight(strings.ToValidUTF8(b.String(), "?"), "\n")
}

// containsPart reports whether a line has one of the longer parts, or all of them.
func containsPart(line string, parts []string) bool {
	found := 0
	for _, part := range parts {
		if strings.Contains(line, part) {
			if found++; len(part) >= 4 {
				return true
			}
		}
	}
	return found > 0 && found == len(parts)
}

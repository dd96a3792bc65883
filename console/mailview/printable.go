package mailview

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/sluicemail/sluice/internal/human"
)

// Printable returns a text on one line with everything in it visible: control characters, and those that are invisible
// or turn the direction of text around, become marks such as ␛ or ⟨U+202E⟩. It is for subjects, addresses, names and
// replies of strangers.
func Printable(s string) string { return oneLine(clean(s)) }

// clean makes what is invisible visible; line ends and tabs stay.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r < ' ':
			b.WriteRune('\u2400' + r) // ␀ to ␟
		case r == 0x7f:
			b.WriteRune('\u2421')
		default:
			b.WriteString("⟨U+" + strings.ToUpper(hex(r)) + "⟩")
		}
	}
	return b.String()
}

func hex(r rune) string {
	const digits = "0123456789abcdef"
	out := []byte{}
	for ; r > 0 || len(out) < 4; r >>= 4 {
		out = append([]byte{digits[r&15]}, out...)
	}
	return string(out)
}

// hidden tells characters that change how others are shown, or show nothing: controls, and format characters such as
// U+202E; but not joiners, which many scripts need.
func hidden(r rune) bool {
	switch r {
	case '\n', '\r', '\t', '\u200c', '\u200d':
		return false
	}
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		return r
	}, s)
}

// PrintableLines is Printable for a text of several lines.
func PrintableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Printable(strings.TrimSuffix(lines[i], "\r"))
	}
	return strings.Join(lines, "\n")
}

// PrintableJSON writes JSON for people, with nothing invisible in it, up to most bytes.
func PrintableJSON(raw []byte, most int) string {
	var b bytes.Buffer
	if len(raw) > 1<<20 || json.Indent(&b, raw, "", "  ") != nil {
		return human.Cut(Printable(string(raw[:min(len(raw), most)])), most)
	}
	return human.Cut(PrintableLines(b.String()[:min(b.Len(), 2*most)]), most)
}

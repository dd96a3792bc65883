package template

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lineEnds makes CRLF and a lone CR a line feed, if there are any.
func lineEnds(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// paragraphs counts line ends, as the public page says.
func paragraphs(s string) int { return strings.Count(lineEnds(s), "\n") }

// words counts what stands between white space and has a letter or digit.
func words(s string) int {
	n := 0
	for word := range strings.FieldsSeq(s) {
		if strings.ContainsFunc(word, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }) {
			n++
		}
	}
	return n
}

func indent(r *running, s string, args []value) string {
	by, count := argument(args, 1, " "), max(number(args, 0, 1), 0)
	if !r.room(times(count, len(by), strings.Count(s, "\n")+1) + len(s)) {
		return ""
	}
	prefix := strings.Repeat(by, count)
	return prefix + strings.ReplaceAll(s, "\n", "\n"+prefix)
}

// times multiplies lengths; beyond MaxOutput it does not matter by how much.
func times(lengths ...int) int {
	product := 1
	for _, n := range lengths {
		product = min(product*n, 2*MaxOutput)
	}
	return product
}

func nl2br(r *running, s string, _ []value) string {
	s = lineEnds(s)
	return r.replaceAll(s, "\n", "<br />")
}

// replaceAll is strings.ReplaceAll within the limits.
func (r *running) replaceAll(s, old, by string) string {
	n := strings.Count(s, old)
	if n == 0 || !r.room(len(s)-n*len(old)+times(n, len(by))) {
		return s
	}
	return strings.ReplaceAll(s, old, by)
}

func replace(r *running, s string, args []value) string {
	old := argument(args, 0, "")
	if old == "" {
		return s
	}
	return r.replaceAll(s, old, argument(args, 1, ""))
}

func regexReplace(r *running, s string, args []value) string {
	if len(args) < 2 {
		return s
	}
	p := r.pattern(args[0].String())
	if p == nil || !r.match(p, s) {
		return ""
	}
	return r.replacePattern(p, s, args[1].String())
}

func spacify(r *running, s string, args []value) string {
	separator := argument(args, 0, " ")
	if !r.room(len(s) + times(utf8.RuneCountInString(s), len(separator))) {
		return ""
	}
	var b strings.Builder
	for i, c := range s {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteRune(c)
	}
	return b.String()
}

// strstr returns what follows the first occurrence of a text, from it on, or what is before; nothing when it does not
// occur.
func strstr(_ *running, s string, args []value) string {
	i := strings.Index(s, argument(args, 0, ""))
	switch {
	case i < 0:
		return ""
	case flag(args, 1):
		return s[:i]
	}
	return s[i:]
}

func substr(_ *running, s string, args []value) string {
	s = s[offset(s, max(number(args, 0, 0), 0)):]
	if len(args) < 2 {
		return s
	}
	return s[:offset(s, max(number(args, 1, 0), 0))]
}

// offset returns where the character n of a text begins, or its length.
func offset(s string, n int) int {
	if n >= len(s) {
		return len(s)
	}
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func trim(_ *running, s string, args []value) string {
	return strings.Trim(s, argument(args, 0, " \t\r\n\v\x00"))
}

// truncate cuts a text to length characters, with etc, which shows that it was cut, among them. Unless words may be
// broken, the one that does not fit goes, with the space before it; a text that is one word is broken all the same.
func truncate(r *running, s string, args []value) string {
	length, etc := number(args, 0, 80), argument(args, 1, "...")
	if length <= 0 {
		return ""
	}
	if offset(s, length) == len(s) {
		return s
	}
	length -= min(length, utf8.RuneCountInString(etc))
	cut := s[:offset(s, length)]
	if !flag(args, 2) {
		cut = wholeWords(s[:offset(s, length+1)], cut)
	}
	if !r.room(len(cut) + len(etc)) {
		return ""
	}
	return cut + etc
}

// wholeWords takes the last word, and the space before it, from a text; without a space it is cut.
func wholeWords(s, cut string) string {
	space := strings.LastIndexFunc(s, unicode.IsSpace)
	if space < 0 {
		return cut
	}
	return strings.TrimRightFunc(s[:space], unicode.IsSpace)
}

func ucfirst(_ *running, s string, _ []value) string {
	first, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[n:]
}

// urlEncode leaves letters, digits and -_.~ as they are (RFC 3986 §2.3), so that the result fits into paths and
// queries.
func (r *running) urlEncode(s string) string {
	n := 0
	for i := range len(s) {
		if !unreserved(s[i]) {
			n++
		}
	}
	if n == 0 || !r.room(len(s)+2*n) {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return string(b)
}

func unreserved(c byte) bool { return isWord(c) || c == '-' || c == '.' || c == '~' }

// urlDecode also takes a plus for a space. A percent sign without two digits stays as it is.
func urlDecode(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && hexDigit(s[i+1]) >= 0 && hexDigit(s[i+2]) >= 0:
			b = append(b, byte(hexDigit(s[i+1])<<4|hexDigit(s[i+2])))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// hexDigit returns what a digit stands for; -1: it is none.
func hexDigit(c byte) int {
	if isLetter(c) {
		c |= 0x20
	}
	return strings.IndexByte("0123456789abcdef", c)
}

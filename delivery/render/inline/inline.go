package inline

import (
	"slices"
	"strings"
	"sync"

	"github.com/sluicemail/sluice/internal/textcache"
)

// Inliner moves style sheets into tags. Its zero value is ready; its methods are safe for concurrent use.
type Inliner struct {
	// Plans keeps what is to be done with mails of one structure; its zero value keeps 64 MiB.
	Plans textcache.Cache[Plan]
}

// Plan is what is done with all texts that have the same style sheets, and the same tags with the same classes.
type Plan struct {
	styles []string // the attributes that the tags get, in the order of the tags; "": none
	sheets []string // what stays of the style sheets; "" when nothing does
	err    error
}

// Inline adds the text with its styles in its tags to dst. A text without style sheets is added as it is. An error says
// which limit the text is beyond.
func (n *Inliner) Inline(dst, text []byte) ([]byte, error) {
	s := scanners.Get().(*scanner)
	defer func() {
		s.done()
		scanners.Put(s)
	}()
	s.scan(text)
	if len(s.sheets) == 0 {
		return append(dst, text...), nil
	}
	plan := n.Plans.Get(s.key, func(string) (Plan, int) { return s.plan() })
	if plan.err != nil {
		return dst, plan.err
	}
	return s.splice(dst, &plan), nil
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// splice writes the text with the styles of a plan.
func (s *scanner) splice(dst []byte, p *Plan) []byte {
	dst = slices.Grow(dst, len(s.text)*3/2)
	at, sheet := 0, 0
	for i, t := range s.tags {
		if sheet < len(s.sheets) && s.sheets[sheet].tag == i {
			dst, at = s.spliceSheet(dst, at, p.sheets[sheet], sheet), s.sheets[sheet].after
			sheet++
			continue
		}
		if t.end < at || p.styles[i] == "" {
			continue
		}
		from, to, _ := styleAttribute(s.text[t.start:t.end])
		dst = append(dst, s.text[at:t.start+from]...)
		dst = append(dst, p.styles[i]...)
		at = t.start + to
	}
	return append(dst, s.text[at:]...)
}

// spliceSheet writes what stays of a style sheet, or leaves its element out.
func (s *scanner) spliceSheet(dst []byte, at int, rest string, i int) []byte {
	sheet := s.sheets[i]
	tag := s.tags[sheet.tag]
	if rest == "" {
		return append(dst, s.text[at:tag.start]...)
	}
	dst = append(dst, s.text[at:tag.end]...)
	dst = append(dst, rest...)
	return append(dst, s.text[sheet.end:sheet.after]...)
}

// styleAttribute finds the attribute style in a tag: raw[from:to], with the white space before it, is to be replaced.
// Without one, from and to are behind the name of the tag.
func styleAttribute(raw []byte) (from, to int, value []byte) {
	from = nameEnd(raw)
	to = from
	eachAttribute(raw, func(a attribute) bool {
		if name := raw[a.name:a.nameEnd]; len(name) != len("style") || !strings.EqualFold(string(name), "style") {
			return true
		}
		from, to, value = a.start, a.end, a.value
		return false
	})
	return from, to, value
}

// attribute is where an attribute of a tag is.
type attribute struct {
	start         int // of the white space before it
	name, nameEnd int
	end           int
	value         []byte
}

// eachAttribute calls f for the attributes of a tag, as long as it returns true.
func eachAttribute(raw []byte, f func(attribute) bool) {
	for i := nameEnd(raw); i < len(raw); {
		a := attribute{start: i}
		for i < len(raw) && (isSpace(raw[i]) || raw[i] == '/') {
			i++
		}
		if i == len(raw) || raw[i] == '>' {
			return
		}
		a.name = i
		for i < len(raw) && !isSpace(raw[i]) && (raw[i] != '=' || i == a.name) && raw[i] != '>' && raw[i] != '/' {
			i++
		}
		a.nameEnd = i
		if a.end, a.value = attributeValue(raw, i); !f(a) {
			return
		}
		i = a.end
	}
}

// nameEnd returns where the name of a tag ends.
func nameEnd(raw []byte) int {
	i := 1
	for i < len(raw) && !isSpace(raw[i]) && raw[i] != '>' && raw[i] != '/' {
		i++
	}
	return i
}

// attributeValue reads the value of an attribute whose name ends at i.
func attributeValue(raw []byte, i int) (end int, value []byte) {
	j := i
	for j < len(raw) && isSpace(raw[j]) {
		j++
	}
	if j == len(raw) || raw[j] != '=' {
		return i, nil
	}
	for j++; j < len(raw) && isSpace(raw[j]); j++ {
	}
	start := j
	if j < len(raw) && (raw[j] == '"' || raw[j] == '\'') {
		for j++; j < len(raw) && raw[j] != raw[start]; j++ {
		}
		return min(j+1, len(raw)), raw[start+1 : j]
	}
	for j < len(raw) && !isSpace(raw[j]) && raw[j] != '>' {
		j++
	}
	return j, raw[start:j]
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' }

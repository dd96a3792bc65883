package inline

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// The limits of a text.
const (
	maxTags  = 100_000
	maxRules = 20_000
	maxSteps = 5_000_000 // elements that are compared with selectors
)

// mark is an attribute that each start tag has while a plan is made: its number. It is short, as the parser reads it
// byte by byte, and no name that an attribute has.
const mark = "~t"

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// found is a rule with one of its selectors.
type found struct {
	*selector
	block []declaration
	sheet int
	text  string // the rule, as it stays if it must
}

// plan finds out which styles belong to which tags.
func (s *scanner) plan() (Plan, int) {
	p := Plan{styles: make([]string, len(s.tags)), sheets: make([]string, len(s.sheets))}
	var size int
	rules, rest := s.rules()
	switch {
	case len(s.tags) > maxTags:
		p.err = errors.New("the HTML has more than " + strconv.Itoa(maxTags) + " tags")
	case len(s.asked) == mostAsked:
		p.err = errors.New("the style sheets ask for " + strconv.Itoa(mostAsked) + " or more different attributes")
	case len(rules) > maxRules:
		p.err = errors.New("the style sheets have more than " + strconv.Itoa(maxRules) + " rules")
	default:
		size, p.err = s.apply(rules, rest, p.styles)
	}
	for i := range rest {
		p.sheets[i] = rest[i].String()
		size += len(p.sheets[i])
	}
	return p, size + 16*len(s.tags)
}

// rules returns the rules for attributes, and what stays of each style sheet.
func (s *scanner) rules() (rules []found, rest []*strings.Builder) {
	for i, sheet := range s.sheets {
		b := new(strings.Builder)
		rest = append(rest, b)
		parseSheet(string(s.text[s.tags[sheet.tag].end:sheet.end]), func(raw string) {
			b.WriteString("\r\n" + raw)
		}, func(r rule) {
			block := parseDeclarations(r.body)
			var stay []string
			for _, text := range r.selectors {
				if parsed, ok := parseSelector(text); ok {
					rules = append(rules, found{parsed, block, i, text + "{" + r.body + "}"})
				} else if text != "" {
					stay = append(stay, text)
				}
			}
			if len(stay) > 0 {
				b.WriteString("\r\n" + strings.Join(stay, ",") + "{" + r.body + "}")
			}
		})
	}
	slices.SortStableFunc(rules, func(a, b found) int { return compareSpecificity(a.specificity, b.specificity) })
	return rules, rest
}

func compareSpecificity(a, b cascadia.Specificity) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	}
	return 0
}

// apply has the tags get the attributes that the rules ask for, and returns the bytes that these take. A rule that is
// for an element without a tag in the text stays.
func (s *scanner) apply(rules []found, rest []*strings.Builder, attributes []string) (size int, err error) {
	root, err := html.Parse(bytes.NewReader(s.marked()))
	if err != nil {
		return 0, errors.New("the HTML cannot be read: " + err.Error())
	}
	d := newDocument(len(s.tags))
	d.add(root)
	of := make([][]byte, len(s.tags)) // the rules of each tag, two bytes a rule
	for i := range rules {
		stays := false
		ok := d.matches(rules[i].selector, func(element int) {
			tag := d.tags[element]
			switch {
			case tag >= 0 && tag < len(of) && !unstyled[d.nodes[element].Data]:
				of[tag] = append(of[tag], byte(i>>8), byte(i))
			case tag < 0:
				stays = true
			}
		})
		if !ok {
			return 0, errTooMany
		}
		if stays {
			rest[rules[i].sheet].WriteString("\r\n" + rules[i].text)
		}
	}
	return s.attributes(d, rules, of, attributes)
}

var errTooMany = errors.New("the style sheets have too many rules for so many tags")

// attributes makes the attributes of the tags that have rules; tags with the same rules and the same style of their own
// have the same one.
func (s *scanner) attributes(d *document, rules []found, of [][]byte, attributes []string) (size int, err error) {
	known := make(map[string]string)
	for tag, list := range of {
		if len(list) == 0 {
			continue
		}
		_, _, value := styleAttribute(s.text[s.tags[tag].start:s.tags[tag].end])
		own := string(value)
		key := string(list) + own
		if known[key] == "" {
			all := &style{}
			for i := 0; i < len(list); i += 2 {
				block := rules[int(list[i])<<8|int(list[i+1])].block
				d.steps -= len(block) * (1 + len(all.normal) + len(all.important)) / 16
				if d.steps < 0 {
					return 0, errTooMany
				}
				all.add(block)
			}
			known[key] = ` style="` + escaper.Replace(all.with(html.UnescapeString(own))) + `"`
			size += len(known[key])
		}
		attributes[tag] = known[key]
	}
	return size, nil
}

var escaper = strings.NewReplacer(`"`, "&quot;", "&", "&amp;")

// unstyled elements are not shown.
var unstyled = map[string]bool{"head": true, "meta": true, "title": true, "link": true, "style": true, "script": true,
	"base": true}

// marked returns the text with the number of each start tag in it. Only what makes a difference to the tree of elements
// and to the rules is in it: text is a letter, and of the attributes there are those that rules and the parser look at.
func (s *scanner) marked() []byte {
	out := make([]byte, 0, 40*len(s.tags)+len(s.text)/4)
	whole := slices.ContainsFunc(s.asked, func(name string) bool { return strings.Contains(name, `\`) })
	at := 0
	for i, t := range s.tags {
		raw := s.text[t.start:t.end]
		end := nameEnd(raw)
		out = appendGap(out, s.text[at:t.start])
		out = append(out, raw[:end]...)
		out = append(out, " "+mark+`="`...)
		out = append(strconv.AppendInt(out, int64(i), 10), '"')
		if at = t.end; whole {
			out = append(out, raw[end:]...)
			continue
		}
		eachAttribute(raw, func(a attribute) bool {
			if name := raw[a.name:a.nameEnd]; holdsFold(treeAttributes, name) || holdsFold(s.asked, name) {
				out = append(append(out, ' '), raw[a.name:a.end]...)
			}
			return true
		})
		if bytes.HasSuffix(raw, []byte("/>")) {
			out = append(out, " /"...)
		}
		out = append(out, '>')
	}
	return appendGap(out, s.text[at:])
}

// treeAttributes are those that the finding of elements (document.attributes) and the making of the tree look at.
var treeAttributes = []string{"class", "id", "type", "color", "face", "size", "encoding"}

// appendGap adds what is between two start tags. Of text that is more than white space, one letter counts.
func appendGap(out, gap []byte) []byte {
	if bytes.ContainsAny(gap, "<&\x00") {
		return append(out, gap...)
	}
	for _, c := range gap {
		if !isSpace(c) {
			return append(out, 'x')
		}
	}
	return append(out, gap...)
}

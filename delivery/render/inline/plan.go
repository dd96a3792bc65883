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

// mark is an attribute that each start tag has while a plan is made: its number.
const mark = "sluice-inline-tag"

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
	d := &document{number: make(map[*html.Node]int), by: make(map[string][]int), steps: maxSteps}
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
		_, _, own := styleAttribute(s.text[s.tags[tag].start:s.tags[tag].end])
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

// marked returns the text with the number of each start tag in it.
func (s *scanner) marked() []byte {
	out := make([]byte, 0, len(s.text)+24*len(s.tags))
	at := 0
	for i, t := range s.tags {
		end := nameEnd(s.text[t.start:t.end])
		out = append(out, s.text[at:t.start+end]...)
		out = append(out, " "+mark+"="...)
		out = append(strconv.AppendInt(append(out, '"'), int64(i), 10), '"')
		at = t.start + end
	}
	return append(out, s.text[at:]...)
}

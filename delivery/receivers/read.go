package receivers

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/reply"
	"github.com/sluicemail/sluice/queue"
)

// Problem is what is wrong with a file. What it stands in was left out; the rest is in force.
type Problem struct {
	File string
	Line int
	Text string // what was expected
}

func (p Problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// The bounds of a file.
const (
	minLiteral  = 4        // bytes of a text without * that a rule can be found by
	maxFile     = 16 << 20 // bytes
	maxLine     = 8 << 10
	maxProblems = 100
)

// file is what a file says.
type file struct {
	groups  []Group
	replace []string // groups of which the rules that came before do not count
	rules   []Rule
}

// reader reads one file.
type reader struct {
	name     string
	out      file
	group    string // of the rules that follow
	standing Rule   // source, date and confidence of rules that do not say them
	problems []Problem
}

// field is one line "name: value", with those that continue it.
type field struct {
	name, value string
	line        int
}

// readFile reads a file of the form that the package describes.
func readFile(name, data string) (file, []Problem) {
	r := &reader{name: name, standing: Rule{Confidence: Seen}}
	if len(data) > maxFile {
		r.problem(1, "%d bytes: expected at most %d", len(data), maxFile)
		return r.out, r.problems
	}
	if !utf8.ValidString(data) {
		r.problem(1, "expected UTF-8")
		return r.out, r.problems
	}
	var stanza []field
	bad := false
	line := 0
	for text := range strings.SplitSeq(data+"\n", "\n") { // so that a blank line ends the last stanza
		line++
		text = strings.TrimRight(text, " \t\r")
		switch {
		case text == "":
			if !bad {
				r.stanza(stanza)
			}
			stanza, bad = nil, false
		case text[0] == '#':
		case (text[0] == ' ' || text[0] == '\t') && len(stanza) > 0:
			stanza[len(stanza)-1].value += " " + strings.TrimLeft(text, " \t")
		default:
			f, err := parseField(text, line)
			if err != "" {
				r.problem(line, "%s", err)
				bad = true
				continue
			}
			stanza = append(stanza, f)
		}
	}
	return r.out, r.problems
}

func parseField(text string, line int) (f field, problem string) {
	name, value, found := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	switch {
	case len(text) > maxLine:
		return f, fmt.Sprintf("%d bytes: expected lines of at most %d", len(text), maxLine)
	case !found || !slices.Contains(fieldNames, name):
		return f, fmt.Sprintf("%.80q: expected a colon behind one of %s", text, strings.Join(fieldNames, ", "))
	case value == "":
		return f, name + ": expected a value"
	}
	return field{name, value, line}, ""
}

// fieldNames are what lines begin with.
var fieldNames = []string{"group", "title", "mx", "replace", "class", "code", "status", "text", "source", "date",
	"confidence", "example", "sample"}

func (r *reader) problem(line int, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{r.name, line, fmt.Sprintf(format, args...)})
	}
}

// stanza reads what stands between two blank lines: a group, a rule, or what holds for the rules that follow.
func (r *reader) stanza(fields []field) {
	if len(fields) == 0 {
		return
	}
	has := func(name string) bool {
		return slices.ContainsFunc(fields, func(f field) bool { return f.name == name })
	}
	switch {
	case has("group"):
		r.readGroup(fields)
	case has("class"):
		r.readRule(fields)
	default:
		next := r.standing
		if r.each(fields, func(f field) string { return next.sourced(f) }) {
			r.standing = next
		}
	}
}

// each reads fields and reports whether all of them made sense.
func (r *reader) each(fields []field, read func(field) string) bool {
	for _, f := range fields {
		if text := read(f); text != "" {
			r.problem(f.line, "%s: %s", f.name, text)
			return false
		}
	}
	return true
}

// General is the name of the group of all receivers in files.
const General = "general"

// readGroup reads the group that the rules after it are about.
func (r *reader) readGroup(fields []field) {
	g := Group{file: r.name, line: fields[0].line}
	replace := false
	next := Rule{Confidence: Seen}
	ok := r.each(fields, func(f field) string {
		switch f.name {
		case "group":
			g.Name = f.value
			if strings.ContainsFunc(g.Name, notInName) {
				return fmt.Sprintf("%q: expected small letters, digits and dashes", f.value)
			}
		case "title":
			g.Title = f.value
		case "mx":
			return g.addMX(f.value)
		case "replace":
			replace = f.value == "yes"
			if !replace && f.value != "no" {
				return fmt.Sprintf("%q: expected yes or no", f.value)
			}
		default:
			return next.sourced(f)
		}
		return ""
	})
	if ok && g.Name == General && g.MX != nil {
		r.problem(fields[0].line, "mx: expected none for %s, which is all receivers", General)
		ok = false
	}
	r.group = g.Name
	if !ok {
		r.group = "?" // the rules after it are about nobody
		return
	}
	r.standing = next
	if replace {
		r.out.replace = append(r.out.replace, g.Name)
	}
	r.out.groups = append(r.out.groups, g)
}

func notInName(c rune) bool { return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') }

// addMX reads names of hosts.
func (g *Group) addMX(value string) string {
	for name := range strings.FieldsSeq(value) {
		under := parseMX(name, "").under
		if strings.ToLower(name) != name || !strings.Contains(under, ".") || strings.Contains(under, "*") ||
			!addr.ValidDomain(strings.ReplaceAll(name, "*", "x"), 0) {
			return fmt.Sprintf("%.100q: expected what names of MX hosts end with, such as mx.example.com or mx*.example.com",
				name)
		}
		g.MX = append(g.MX, name)
	}
	return ""
}

// readRule reads a rule.
func (r *reader) readRule(fields []field) {
	rule := r.standing
	rule.Group, rule.File, rule.Line = r.group, r.name, fields[0].line
	switch r.group {
	case "?":
		return
	case "":
		r.problem(rule.Line, "expected a group before the first rule, such as %s", General)
		return
	case General:
		rule.Group = ""
	}
	if !r.each(fields, rule.read) {
		return
	}
	if len(rule.codes)+len(rule.statuses)+len(rule.texts) == 0 {
		r.problem(rule.Line, "expected code, status or text beside the class")
		return
	}
	for _, e := range rule.Examples {
		if !rule.hits(&e) {
			r.problem(e.Line, "example: expected a reply that its rule is about; its code, status or words are others")
			return
		}
	}
	r.out.rules = append(r.out.rules, rule)
}

// hits reports whether the rule is about the example.
func (r *Rule) hits(e *Example) bool {
	var room [maxText + 2]byte
	return r.matches(&said{group: r.Group, code: e.Code, status: parseEnhanced(e.Status),
		text: appendPlain(room[:0], e.Description)})
}

// sourced reads where a rule comes from.
func (r *Rule) sourced(f field) string {
	switch f.name {
	case "source":
		if !strings.HasPrefix(f.value, "https://") && !strings.HasPrefix(f.value, "http://") ||
			strings.ContainsAny(f.value, " \t") {
			return fmt.Sprintf("%.200q: expected a URL", f.value)
		}
		r.Source = f.value
	case "date":
		if _, err := time.Parse(time.DateOnly, f.value); err != nil {
			return fmt.Sprintf("%.40q: expected a date such as 2026-02-15", f.value)
		}
		r.Date = f.value
	case "confidence":
		r.Confidence = Confidence(f.value)
		if r.Confidence != Published && r.Confidence != Seen && r.Confidence != Choice {
			return fmt.Sprintf("%.40q: expected %s, %s or %s", f.value, Published, Seen, Choice)
		}
	default:
		return "expected it in a rule, which has a class"
	}
	return ""
}

func (r *Rule) read(f field) string {
	switch f.name {
	case "class":
		if r.Class = queue.Class(f.value); !r.Class.Known() {
			return fmt.Sprintf("%.60q: expected one of %s", f.value, classNames())
		}
	case "code":
		return r.readCodes(f.value)
	case "status":
		return r.readStatuses(f.value)
	case "text":
		return r.readText(f.value)
	case "example", "sample":
		e := Example{Reply: reply.Parse([]byte(f.value)), Line: f.line, Sample: f.name == "sample"}
		if e.Code == 0 {
			return fmt.Sprintf("%.60q: expected a reply, which begins with its code", f.value)
		}
		r.Examples = append(r.Examples, e)
	case "source", "date", "confidence":
		return r.sourced(f)
	default:
		return "expected it beside a group"
	}
	return ""
}

func classNames() string {
	var b strings.Builder
	for i, c := range queue.Classes() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(c))
	}
	return b.String()
}

// readCodes reads "550 500-504 5xx".
func (r *Rule) readCodes(value string) string {
	for one := range strings.FieldsSeq(value) {
		from, to, ranged := strings.Cut(one, "-")
		if !ranged {
			to = one
		}
		low, wrong := strconv.Atoi(strings.ReplaceAll(from, "x", "0"))
		high, bad := strconv.Atoi(strings.ReplaceAll(to, "x", "9"))
		if wrong != nil || bad != nil || low < 400 || high > 599 || low > high {
			return fmt.Sprintf("%.40q: expected codes such as 550, 500-504 or 5xx", one)
		}
		r.codes = append(r.codes, span{low, high})
	}
	return ""
}

// readStatuses reads "5.1.1 x.2.2 5.7.606-649 x.7.*".
func (r *Rule) readStatuses(value string) string {
	for one := range strings.FieldsSeq(value) {
		s, ok := parseStatuses(one)
		if !ok {
			return fmt.Sprintf("%.40q: expected enhanced codes such as 5.1.1, x.2.2, 5.7.606-649 or x.7.*", one)
		}
		r.statuses = append(r.statuses, s)
	}
	return ""
}

func parseStatuses(text string) (s statuses, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return s, false
	}
	number := func(text string) int {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n > maxDetail {
			ok = false
		}
		return int(n)
	}
	ok = true
	if parts[0] != "x" {
		s.class = number(parts[0])
		ok = ok && (s.class == 4 || s.class == 5)
	}
	s.subject = number(parts[1])
	from, to, ranged := strings.Cut(parts[2], "-")
	switch {
	case parts[2] == "*":
		s.detail = span{0, maxDetail}
	case ranged:
		s.detail = span{number(from), number(to)}
	default:
		s.detail = span{number(from), number(from)}
	}
	return s, ok && s.detail.from <= s.detail.to
}

// readText reads words with * for anything between them. Blanks beside a *, and at the ends, count in double quotes
// only.
func (r *Rule) readText(value string) string {
	quoted := len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"'
	if quoted {
		value = value[1 : len(value)-1]
	}
	var parts [][]byte
	longest := 0
	for part := range strings.SplitSeq(value, "*") {
		if p := plainPart(part, quoted); len(p) > 0 {
			parts = append(parts, p)
			longest = max(longest, len(p))
		}
	}
	if longest < minLiteral {
		return fmt.Sprintf("%.60q: expected at least %d characters in a row without *", value, minLiteral)
	}
	r.texts = append(r.texts, parts)
	return ""
}

// plainPart returns a part of a text as replies are compared with it.
func plainPart(part string, quoted bool) []byte {
	p := bytes.Trim(appendPlain(nil, part), " ")
	if !quoted || len(p) == 0 {
		return p
	}
	if part[0] == ' ' {
		p = append([]byte(" "), p...)
	}
	if part[len(part)-1] == ' ' {
		p = append(p, ' ')
	}
	return p
}

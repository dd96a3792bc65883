package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/pattern"
	"github.com/sluicemail/sluice/queue"
)

// maxReply bounds how much of a reply is looked at.
const maxReply = 8192

// responses are the response patterns, in their order.
type responses struct {
	rules []response
	index *index // nil: there are none
}

type response struct {
	selector
	name    string // as it is told
	final   bool
	text    *pattern.Pattern
	texts   []branch    // what has to occur; nil: not known
	class   queue.Class // instead of text; "": none
	actions []action
}

func (c *compiler) responses() {
	x := &c.set.responses
	rows := slices.Clone(c.config.ResponsePatterns)
	slices.SortStableFunc(rows, func(a, b ResponsePattern) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	for i := range rows {
		r := &rows[i]
		compiled, err := compileResponse(r, &c.set.pools)
		broken := c.problem(tablePatterns, r.ID, err)
		actions, bad := c.compileActions(r.Actions, true, tableResponses)
		for _, id := range bad {
			c.problem(tablePatterns, r.ID, fmt.Errorf("its action %d makes no sense", id))
		}
		if compiled.actions = actions; !broken && len(bad) == 0 {
			x.rules = append(x.rules, compiled)
		}
	}
	for i := range c.config.SpareActions {
		a := &c.config.SpareActions[i]
		_, err := compileAction(a, true, nil)
		c.problem(tableResponses, a.ID, err)
	}
	filings := make([]filing, len(x.rules))
	for i := range x.rules {
		r := &x.rules[i]
		filings[i] = filing{selector: &r.selector, literals: r.texts}
	}
	if len(filings) > 0 {
		x.index = newIndex(filings)
	}
}

// compileResponse reads a pattern without its actions.
func compileResponse(r *ResponsePattern, pools *pools) (compiled response, err error) {
	compiled.selector, err = compileSelector(columns{localIP: r.LocalIP, pool: r.Pool, domain: r.Domain, tag: r.Tag},
		pools)
	if err != nil {
		return compiled, err
	}
	compiled.name, compiled.final = ruleName("response pattern", r.ID, r.Name), r.Final
	if strings.EqualFold(r.Type, typeClass) {
		compiled.class, err = parseClass("pattern", strings.TrimSpace(r.Pattern))
		return compiled, err
	}
	typ, err := pattern.ParseType(r.Type)
	if err != nil {
		return compiled, at("type", fmt.Errorf("%w, or %s", err, typeClass))
	}
	compiled.text, err = pattern.Compile(typ, r.Pattern, true)
	compiled.texts = literals(typ, r.Pattern)
	return compiled, at("pattern", err)
}

// typeClass is the type of patterns that are the class of a result.
const typeClass = "class"

func parseClass(column, text string) (queue.Class, error) {
	if class := queue.Class(text); class.Known() {
		return class, nil
	}
	return "", wrong(column, " %q: expected a class of results, such as %s", text, queue.ClassMailboxFull)
}

// matches reports whether the pattern is about a reply, or about a result of that class.
func (r *response) matches(said *reply, class queue.Class) bool {
	if r.class != "" {
		return class.Is(r.class)
	}
	return said.matches(r.text)
}

// reply is what a host said, as patterns are matched with it.
type reply struct {
	code          int
	text          string
	with, without string // the code; made when they are needed
}

func newReply(code int, text string) reply {
	if len(text) > maxReply {
		text = text[:maxReply]
	}
	return reply{code: code, text: text}
}

// coded returns the text behind the code that it begins with; ok is false when it does not.
func (r *reply) coded() (rest string, ok bool) {
	if len(r.text) < 3 || r.code < 100 || r.code > 999 {
		return "", false
	}
	for i, c := range [3]int{r.code / 100, r.code / 10 % 10, r.code % 10} {
		if r.text[i] != byte('0'+c) {
			return "", false
		}
	}
	rest = r.text[3:]
	return strings.TrimLeft(rest, " -"), rest == "" || rest[0] == ' ' || rest[0] == '-'
}

// canonical appends the canonical form of the reply with its code, of which that without is a part.
func (r *reply) canonical(dst []byte) []byte {
	if _, coded := r.coded(); !coded && r.code != 0 {
		dst = append(strconv.AppendInt(dst, int64(r.code), 10), ' ')
	}
	return appendCanonical(dst, r.text)
}

func (r *reply) matches(p *pattern.Pattern) bool {
	if r.with == "" {
		rest, coded := r.coded()
		switch {
		case coded:
			r.with, r.without = r.text, rest
		case r.code == 0:
			r.with, r.without = r.text, r.text
		default:
			r.with, r.without = strconv.Itoa(r.code)+" "+r.text, r.text
		}
	}
	return p.Match(r.with) || len(r.with) != len(r.without) && p.Match(r.without)
}

// Respond implements delivery.Steering. Patterns are looked at in their order; of what several of them decide, the last
// one counts. The one that lets the message fail is the last one. What actions do to the message does not change which
// patterns are selected.
func (s *Set) Respond(sel *delivery.Selection, m *queue.Message, result *queue.Result, text string) delivery.Decision {
	var d delivery.Decision
	x := &s.responses
	if x.index == nil {
		return d
	}
	said, class := newReply(result.Code, text), result.Class
	var sources [1]netip.Addr
	var pools [2]string
	q, domain := s.ask(sel, sources[:0], pools[:0]), addr.Fold(sel.Domain)
	var letters [1024]byte
	q.text = said.canonical(letters[:0])
	var room [64]int32
	for _, i := range x.index.candidates(room[:0], &q, domain, "", "") {
		r := &x.rules[i]
		if !r.selects(&q, domain) || !possible(r.texts, q.text) || !r.matches(&said, class) {
			continue
		}
		s.respond(r, m, result, &d)
		if r.final || d.Fail != nil {
			break
		}
	}
	return d
}

// respond carries out the actions of a pattern.
func (s *Set) respond(r *response, m *queue.Message, result *queue.Result, d *delivery.Decision) {
	d.Rule = r.name
	for i := range r.actions {
		switch a := &r.actions[i]; a.do {
		case actFail:
			d.Fail = a.failure(r.name, result)
		case actRetry:
			d.Delay = a.wait
		case actSetResult:
			a.result.apply(result, d)
		default:
			s.change(a, m)
		}
	}
}

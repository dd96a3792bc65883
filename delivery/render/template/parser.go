package template

import "strings"

// parser makes the tree of a template. It panics with an *Error.
type parser struct {
	scanner
	tokens
	t     *Template
	slots map[string]int
	depth int // of blocks, parentheses, indices and negations around what is parsed
	at    int // offset of the tag that is parsed
	word  string
}

func (p *parser) failAt(at int, reason string) { panic(errorAt(p.scanner.text, at, reason)) }
func (p *parser) failHere(reason string)       { p.failAt(p.at, reason) }

// deeper enters a level; the caller leaves it.
func (p *parser) deeper() {
	if p.depth++; p.depth > MaxNesting {
		p.failHere("nested deeper than " + nestingText + " levels")
	}
}

// block parses statements up to a tag that belongs to the block around them, and leaves that tag in word; "" is the end
// of the text.
func (p *parser) block() []statement {
	p.deeper()
	defer func() { p.depth-- }()
	var body []statement
	for {
		before, tag, at, more := p.next()
		if before != "" {
			body = append(body, p.between(before))
		}
		p.at, p.word = at, ""
		if !more {
			return body
		}
		p.rest = tag
		s, ends := p.statement(strings.Trim(tag, " \t\r\n"))
		if ends {
			return body
		}
		body = append(body, s)
	}
}

// between makes a statement of text between tags.
func (p *parser) between(s string) literal {
	p.t.literals = append(p.t.literals, s)
	return literal(len(p.t.literals) - 1)
}

// statement parses the tag that was found; ends means that it belongs to the block around it.
func (p *parser) statement(tag string) (s statement, ends bool) {
	if tag == "" {
		p.failHere("expected a variable or a keyword between the braces; " + asText)
	}
	word := keyword(tag)
	if len(word) < len(tag) && isWord(tag[len(word)]) {
		word = ""
	}
	if keywords[word] {
		p.word, p.rest = word, tag[len(word):]
	}
	p.advance()
	switch word {
	case "if":
		return p.conditions(), false
	case "foreach":
		return p.loop(), false
	case "assign":
		return p.assignment(), false
	case "literal":
		p.end()
		return p.between(p.scanner.literal(p.at)), false
	case "ldelim":
		p.end()
		return p.between("{"), false
	case "rdelim":
		p.end()
		return p.between("}"), false
	case "elseif":
		return nil, true
	case "else", "/if", "foreachelse", "/foreach":
		p.end()
		return nil, true
	}
	if len(word) > 1 && !isConstant(word) && !strings.EqualFold(word, "not") {
		p.failHere("there is no tag of this name; " + asText)
	}
	value := &printed{at: p.at, e: p.expression()}
	p.end()
	return value, false
}

func isConstant(word string) bool {
	return strings.EqualFold(word, "true") || strings.EqualFold(word, "false")
}

// end expects the end of the tag.
func (p *parser) end() {
	if p.now.kind != noToken {
		p.expected("the end of the tag")
	}
}

func (p *parser) conditions() statement {
	c := &conditional{}
	open := p.at
	for {
		b := branch{at: p.at}
		otherwise := p.word == "else"
		if !otherwise {
			b.condition = p.expression()
			p.end()
		}
		b.body = p.block()
		c.branches = append(c.branches, b)
		switch {
		case p.word == "/if":
			return c
		case p.word == "" || p.word == "/foreach" || p.word == "foreachelse":
			p.failAt(open, "expected {/if} after it"+p.got())
		case otherwise:
			p.failHere("expected {/if}: {else} is the last part of {if}")
		}
	}
}

func (p *parser) loop() statement {
	l := &loop{at: p.at, key: -1}
	open := p.at
	first := p.operand()
	if v, ok := first.(*variable); ok && p.acceptWord("in") {
		l.item = v.slot
		l.list = p.operand()
	} else {
		if !p.acceptWord("as") {
			p.expected("$item in $list, or $list as $key => $value")
		}
		l.list = first
		l.item = p.name()
		if p.accept("=>") {
			l.key, l.item = l.item, p.name()
		}
	}
	p.end()
	l.body = p.block()
	if p.word == "foreachelse" {
		l.otherwise = p.block()
	}
	if p.word != "/foreach" {
		p.failAt(open, "expected {/foreach} after it"+p.got())
	}
	return l
}

// got tells which tag came instead.
func (p *parser) got() string {
	if p.word == "" {
		return ""
	}
	e := errorAt(p.scanner.text, p.at, "")
	return ", got {" + p.word + "} in line " + itoa(e.Line)
}

func (p *parser) assignment() statement {
	a := &assignment{at: p.at, e: p.expression()}
	if !p.acceptWord("to") {
		p.expected("to and a variable")
	}
	a.slot = p.name()
	p.end()
	return a
}

// name parses a variable that is set, and returns its slot.
func (p *parser) name() int {
	if p.now.kind != nameToken {
		p.expected("a variable")
	}
	slot := p.slot(p.now.s)
	p.advance()
	return slot
}

func (p *parser) slot(name string) int {
	slot, ok := p.slots[name]
	if !ok {
		slot = len(p.slots)
		p.slots[name] = slot
		p.t.names = append(p.t.names, name)
	}
	return slot
}

// expression parses: or, and, not, comparisons, sums, products, signs, operands; what is named first binds least.
func (p *parser) expression() expression {
	e := p.conjunction()
	for p.acceptWord("or") {
		e = &either{e, p.conjunction()}
	}
	return e
}

func (p *parser) conjunction() expression {
	e := p.negation()
	for p.acceptWord("and") {
		e = &both{e, p.negation()}
	}
	return e
}

func (p *parser) negation() expression {
	if !p.acceptWord("not") {
		return p.comparison()
	}
	p.deeper()
	e := &not{p.negation()}
	p.depth--
	return e
}

func (p *parser) comparison() expression {
	e := p.sum()
	for _, sign := range []string{"==", "!=", ">=", "<=", ">", "<"} {
		if p.accept(sign) {
			return &compared{sign, e, p.sum()}
		}
	}
	if p.accept("=~") {
		right := p.sum()
		p.constantPattern(right)
		return &matched{e, right}
	}
	return e
}

func (p *parser) sum() expression {
	e := p.product()
	for p.is("+") || p.is("-") {
		sign := p.now.s[0]
		p.advance()
		e = &calculated{sign, e, p.product()}
	}
	return e
}

func (p *parser) product() expression {
	e := p.signed()
	for p.is("*") || p.is("/") || p.is("%") {
		sign := p.now.s[0]
		p.advance()
		e = &calculated{sign, e, p.signed()}
	}
	return e
}

func (p *parser) signed() expression {
	if !p.accept("-") {
		return p.operand()
	}
	p.deeper()
	e := &calculated{'-', constant(ofInt(0)), p.signed()}
	p.depth--
	return e
}

// operand parses a value with its modifiers.
func (p *parser) operand() expression {
	e := p.plain()
	for p.accept("|") {
		e = p.modified(e)
	}
	return e
}

func (p *parser) plain() expression {
	now := p.now
	switch {
	case now.kind == nameToken:
		return p.path(&variable{p.name()})
	case now.kind == numberToken:
		p.advance()
		v, _ := numeric(now.s)
		return constant(v)
	case now.kind == textToken:
		p.advance()
		return constant(ofText(now.s))
	case p.acceptWord("true"):
		return constant(ofBool(true))
	case p.acceptWord("false"):
		return constant(ofBool(false))
	case p.accept("("):
		p.deeper()
		e := p.expression()
		p.depth--
		p.expect(")")
		return e
	}
	p.expected("a value")
	return nil
}

// path parses what follows a variable: members and indices.
func (p *parser) path(e expression) expression {
	for {
		switch {
		case p.is("."):
			n := run(p.rest, isWord)
			if n == 0 {
				p.advance()
				p.expected("the name of a member after the dot")
			}
			e = &member{e, p.take(n)}
			p.advance()
		case p.accept("["):
			p.deeper()
			e = &indexed{e, p.expression()}
			p.depth--
			p.expect("]")
		default:
			return e
		}
	}
}

// maxArguments is how many arguments a modifier may have.
const maxArguments = 8

// modified parses a modifier.
func (p *parser) modified(e expression) expression {
	if p.now.kind != wordToken {
		p.expected("the name of a modifier after |")
	}
	name := p.now.s
	p.advance()
	m := &modified{e: e}
	for p.accept(":") {
		if len(m.args) == maxArguments {
			p.failHere("a modifier has more than 8 arguments")
		}
		m.args = append(m.args, p.argument())
	}
	known, ok := modifiers[name]
	if !ok {
		p.t.unknown = append(p.t.unknown, name)
		return e
	}
	m.how = known
	if name == "regex_replace" && len(m.args) > 0 {
		p.constantPattern(m.args[0])
	}
	return m
}

func (p *parser) argument() expression {
	if p.is("-") {
		return p.signedNumber()
	}
	return p.plain()
}

func (p *parser) signedNumber() expression {
	p.advance()
	if p.now.kind != numberToken {
		p.expected("a number after the minus")
	}
	v, _ := numeric("-" + p.now.s)
	p.advance()
	return constant(v)
}

// constantPattern compiles a regular expression that is written out.
func (p *parser) constantPattern(e expression) {
	c, ok := e.(constant)
	if !ok {
		return
	}
	v := value(c)
	text := v.String()
	if p.t.patterns[text] != nil {
		return
	}
	compiled, err := compilePattern(text)
	if err != nil {
		p.failHere(err.Error())
	}
	if p.t.patterns == nil {
		p.t.patterns = make(map[string]*pattern)
	}
	p.t.patterns[text] = compiled
}

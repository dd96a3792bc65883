package template

// statement is a part of a template that does something; false ends the run.
type statement interface{ run(r *running) bool }

// literal is text between tags: the one of Literals with this number.
type literal int

func (l literal) run(r *running) bool {
	r.out.Literal(int(l))
	return r.step(1) && r.written(len(r.t.literals[l]))
}

// printed is the tag of a value.
type printed struct {
	at int
	e  expression
}

func (p *printed) run(r *running) bool {
	r.at = p.at
	v := p.e.eval(r)
	if !r.step(1) {
		return false
	}
	r.value = v.append(r.value[:0])
	r.out.Value(r.value)
	return r.written(len(r.value))
}

// conditional is {if}.
type conditional struct{ branches []branch }

type branch struct {
	at        int
	condition expression // nil: else
	body      []statement
}

func (c *conditional) run(r *running) bool {
	for i := range c.branches {
		b := &c.branches[i]
		r.at = b.at
		if !r.step(1) {
			return false
		}
		if b.condition != nil {
			v := b.condition.eval(r)
			if r.err != nil {
				return false
			}
			if !v.truth() {
				continue
			}
		}
		return runAll(r, b.body)
	}
	return true
}

func runAll(r *running, body []statement) bool {
	for _, s := range body {
		if !s.run(r) {
			return false
		}
	}
	return true
}

// loop is {foreach}. Its variables are those of the loop: after it they are what they were before.
type loop struct {
	at        int
	list      expression
	key       int // slot; -1: none
	item      int
	body      []statement
	otherwise []statement
}

func (l *loop) run(r *running) bool {
	r.at = l.at
	v := l.list.eval(r)
	if r.err != nil {
		return false
	}
	if v.length() == 0 {
		return runAll(r, l.otherwise)
	}
	item := r.slots[l.item]
	defer func() { r.slots[l.item] = item }()
	if l.key >= 0 {
		key := r.slots[l.key]
		defer func() { r.slots[l.key] = key }()
	}
	for i, each := range v.node.values {
		r.at = l.at
		if !r.step(1) {
			return false
		}
		if l.key >= 0 {
			r.set(l.key, v.key(i))
		}
		r.set(l.item, each)
		if !runAll(r, l.body) {
			return false
		}
	}
	return true
}

// key is the name of a member, or the position of an element.
func (v *value) key(i int) value {
	if v.kind == object {
		return ofText(v.node.keys[i])
	}
	return ofInt(int64(i))
}

// assignment is {assign}.
type assignment struct {
	at   int
	e    expression
	slot int
}

func (a *assignment) run(r *running) bool {
	r.at = a.at
	v := a.e.eval(r)
	r.set(a.slot, v)
	return r.step(1)
}

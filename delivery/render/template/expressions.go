package template

// expression is a part of a tag that is worth something. After a failure of the run it is worth nothing.
type expression interface{ eval(r *running) value }

type constant value

func (c constant) eval(*running) value { return value(c) }

type variable struct{ slot int }

func (v *variable) eval(r *running) value { return r.get(v.slot) }

type member struct {
	of   expression
	name string
}

func (m *member) eval(r *running) value {
	if !r.step(1) {
		return value{}
	}
	v := m.of.eval(r)
	return v.member(m.name)
}

type indexed struct{ of, index expression }

func (x *indexed) eval(r *running) value {
	if !r.step(1) {
		return value{}
	}
	v := x.of.eval(r)
	return v.at(x.index.eval(r))
}

// modified is a value with a modifier.
type modified struct {
	e    expression
	how  *modifier
	args []expression
}

func (m *modified) eval(r *running) value {
	if !r.step(1) {
		return value{}
	}
	v := m.e.eval(r)
	if v.compound() && m.how.lists == nil {
		return v
	}
	from := len(r.args)
	for _, a := range m.args {
		arg := a.eval(r)
		r.args = append(r.args, arg)
	}
	args := r.args[from:]
	if v.compound() {
		v = m.how.lists(r, v, args)
	} else {
		v = m.how.text(r, v, args)
	}
	r.args = r.args[:from]
	if r.err != nil {
		return value{}
	}
	return v
}

type either struct{ left, right expression }

func (e *either) eval(r *running) value {
	if !r.step(1) {
		return value{}
	}
	left := e.left.eval(r)
	if left.truth() {
		return ofBool(true)
	}
	right := e.right.eval(r)
	return ofBool(right.truth())
}

type both struct{ left, right expression }

func (b *both) eval(r *running) value {
	if !r.step(1) {
		return value{}
	}
	left := b.left.eval(r)
	if !left.truth() {
		return ofBool(false)
	}
	right := b.right.eval(r)
	return ofBool(right.truth())
}

type not struct{ e expression }

func (n *not) eval(r *running) value {
	if !r.step(1) {
		return value{}
	}
	v := n.e.eval(r)
	return ofBool(!v.truth())
}

// matched is =~: the pattern occurs somewhere in the text.
type matched struct{ text, pattern expression }

func (m *matched) eval(r *running) value {
	if !r.step(1) {
		return value{}
	}
	v, pattern := m.text.eval(r), m.pattern.eval(r)
	if v.compound() || pattern.compound() {
		return ofBool(false)
	}
	p := r.pattern(pattern.String())
	s := v.String()
	return ofBool(p != nil && r.match(p, s) && p.MatchString(s))
}

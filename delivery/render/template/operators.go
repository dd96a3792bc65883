package template

import (
	"cmp"
	"math"
	"strings"
)

// compared is ==, !=, >, >=, < or <=.
type compared struct {
	sign        string
	left, right expression
}

func (c *compared) eval(r *running) value {
	if !r.step(1) {
		return value{}
	}
	left, right := c.left.eval(r), c.right.eval(r)
	if c.sign == "==" || c.sign == "!=" {
		return ofBool(equal(r, &left, &right) == (c.sign == "=="))
	}
	if left.compound() || right.compound() {
		return ofBool(false)
	}
	order := r.compare(&left, &right)
	switch c.sign {
	case ">":
		return ofBool(order > 0)
	case ">=":
		return ofBool(order >= 0)
	case "<":
		return ofBool(order < 0)
	}
	return ofBool(order <= 0)
}

// equal compares as one would expect: numbers by their value, also with texts that are numbers; texts letter by letter;
// with true and false, what counts as true. What is missing equals what is empty.
func equal(r *running, a, b *value) bool {
	if !r.step(1) {
		return false
	}
	switch {
	case a.kind == boolean || b.kind == boolean:
		return a.truth() == b.truth()
	case a.kind == missing || b.kind == missing:
		return !a.truth() && !b.truth()
	case a.compound() || b.compound():
		return equalMembers(r, a, b)
	}
	return r.compare(a, b) == 0
}

func equalMembers(r *running, a, b *value) bool {
	if a.kind != b.kind || a.length() != b.length() {
		return false
	}
	for i := range a.node.values {
		if a.kind == object && a.node.keys[i] != b.node.keys[i] {
			return false
		}
		if !equal(r, &a.node.values[i], &b.node.values[i]) {
			return false
		}
	}
	return true
}

// compare orders two values: as numbers when both are, or one is and the other is a text of one, or when one is
// missing; otherwise as texts.
func (r *running) compare(a, b *value) int {
	if a.kind != text || b.kind != text {
		x, xOK := a.counts()
		y, yOK := b.counts()
		if xOK && yOK {
			return compareNumbers(&x, &y)
		}
	}
	left, right := a.String(), b.String()
	if !r.read(min(len(left), len(right))) {
		return 0
	}
	return strings.Compare(left, right)
}

func compareNumbers(x, y *value) int {
	if x.kind == integer && y.kind == integer {
		return cmp.Compare(x.i, y.i)
	}
	return cmp.Compare(x.float(), y.float())
}

// counts returns v as a number, if it is one.
func (v *value) counts() (value, bool) {
	if v.kind == text {
		return numeric(v.s)
	}
	return v.number(), true
}

// calculated is + - * / or %. Whole numbers stay whole as long as the result is and fits.
type calculated struct {
	sign        byte
	left, right expression
}

func (c *calculated) eval(r *running) value {
	if !r.step(1) {
		return value{}
	}
	left, right := c.left.eval(r), c.right.eval(r)
	x, y := left.number(), right.number()
	if x.kind == integer && y.kind == integer {
		if i, ok := whole(c.sign, x.i, y.i); ok {
			return ofInt(i)
		}
	}
	a, b := x.float(), y.float()
	switch c.sign {
	case '+':
		return ofFloat(a + b)
	case '-':
		return ofFloat(a - b)
	case '*':
		return ofFloat(a * b)
	case '/':
		return ofFloat(a / b)
	}
	return ofFloat(math.Mod(a, b))
}

// whole calculates with whole numbers; false: the result is not one, or too large. Division by zero is zero.
func whole(sign byte, a, b int64) (int64, bool) {
	switch sign {
	case '+':
		sum := a + b
		return sum, (sum > a) == (b > 0)
	case '-':
		difference := a - b
		return difference, (difference < a) == (b > 0)
	case '*':
		product := a * b
		return product, a == 0 || b == 0 || (product/b == a && !(a == -1 && b == math.MinInt64) &&
			!(b == -1 && a == math.MinInt64))
	}
	if b == 0 {
		return 0, true
	}
	if sign == '%' {
		return a % b, true
	}
	return a / b, a%b == 0 && !(b == -1 && a == math.MinInt64)
}

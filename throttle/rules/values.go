package rules

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/sluicemail/sluice/throttle"
)

// setting is a compiled Values: the fields that are set, by their index in throttle.Fields.
type setting struct {
	has    uint64
	values []int64 // in the order of the bits
}

// compileValues reads values. Unknown names are an error; the other values are in force then.
func compileValues(values Values) (s setting, err error) {
	var byField [64]int64
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		i, ok := throttle.FieldIndex(name)
		switch {
		case !ok:
			err = fmt.Errorf("there is no limit %q", name)
		case v >= 0:
			s.has |= 1 << i
			byField[i] = v
		}
	}
	for rest := s.has; rest != 0; rest &= rest - 1 {
		s.values = append(s.values, byField[bits.TrailingZeros64(rest)])
	}
	return s, err
}

// get returns the value of a field that is set.
func (s *setting) get(field int) int64 {
	return s.values[bits.OnesCount64(s.has&(1<<field-1))]
}

// merged are the values of a path while they are put together.
type merged struct {
	fields []throttle.Field
	has    uint64
	values [64]int64
	rules  [64]string
}

// fill sets what is not set yet.
func (m *merged) fill(s *setting, rule string) {
	for rest := s.has &^ m.has; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		m.values[i], m.rules[i] = s.get(i), rule
	}
	m.has |= s.has
}

// restrict sets what is stricter than what is set, or not set yet. base gives the values of what is not set; nil:
// nothing does.
func (m *merged) restrict(s *setting, rule string, base *throttle.Limits) {
	for rest := s.has; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		f, v := &m.fields[i], s.get(i)
		old, known := m.values[i], m.has&(1<<i) != 0
		if !known && base != nil {
			old, known = f.Get(base), true
		}
		if known && (f.Stricter(old, v) == old) {
			continue
		}
		m.values[i], m.rules[i] = v, rule
		m.has |= 1 << i
	}
}

// limits puts the values in the place of base's.
func (m *merged) limits(base *throttle.Limits) *throttle.Limits {
	l := *base
	l.Origin = make(map[string]string, len(base.Origin)+bits.OnesCount64(m.has)+1)
	maps.Copy(l.Origin, base.Origin)
	for rest := m.has; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		m.fields[i].Set(&l, m.values[i])
		l.Origin[m.fields[i].Name] = m.rules[i]
	}
	return &l
}

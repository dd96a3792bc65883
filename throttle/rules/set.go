package rules

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/pattern"
	"github.com/sluicemail/sluice/throttle"
)

// Set is a compiled [Config]. It may be used concurrently; [Live.Set] puts it in force.
type Set struct {
	pools     map[netip.Addr]string // in lower case
	fields    []throttle.Field
	rules     []capacity
	rule      index
	schedules []schedule
	schedule  index
	floods    []flood

	// shared are the limits of paths without floods, by what concerns them.
	mu     sync.Mutex
	base   *throttle.Limits
	shared map[string]*throttle.Limits
}

// maxShared bounds the remembered combinations; beyond it remembering starts anew.
const maxShared = 8192

// capacity is a compiled Rule.
type capacity struct {
	name string
	setting
}

// schedule is a compiled Schedule; its steps are in order.
type schedule struct {
	name  string
	steps []step
}

type step struct {
	day int
	setting
}

// at returns the place of the step of a day.
func (s *schedule) at(day int) int {
	i, exact := slices.BinarySearchFunc(s.steps, day, func(s step, day int) int { return cmp.Compare(s.day, day) })
	if !exact {
		i--
	}
	return max(i, 0)
}

// last is the day of the last step.
func (s *schedule) last() int { return s.steps[len(s.steps)-1].day }

// flood is a compiled Flood.
type flood struct {
	key             floodKey
	text            *pattern.Pattern
	where           index
	pause, duration time.Duration
	setting
}

// floodKey is by what a flood is known again in another set.
type floodKey struct {
	name string
	id   int64
}

// Compile makes a set of a configuration. What makes no sense is left out and told; the rest is in the set.
func Compile(config Config) (*Set, []Problem) {
	c := compiler{set: &Set{fields: throttle.Fields(), pools: make(map[netip.Addr]string, len(config.Pools))}}
	c.members = make(map[string]bool)
	for source, pool := range config.Pools {
		c.set.pools[clean(source)] = strings.ToLower(pool)
		c.members[strings.ToLower(pool)] = true
	}
	c.rules(config.Rules)
	c.schedules(config.Schedules)
	for i := range config.Floods {
		c.flood(&config.Floods[i])
	}
	return c.set, c.problems
}

type compiler struct {
	set      *Set
	members  map[string]bool // the pools that have addresses
	problems []Problem
}

func (c *compiler) problem(table string, id int64, err error) {
	if err != nil {
		c.problems = append(c.problems, Problem{table, id, err})
	}
}

func (c *compiler) rules(rules []Rule) {
	order := make([]int32, len(rules))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(rules[a].Priority, rules[b].Priority) })
	for _, i := range order {
		r := &rules[i]
		values, err := compileValues(r.Values)
		c.problem("capacity", r.ID, err)
		name := r.Name
		if name == "" {
			name = fmt.Sprintf("capacity %d", r.ID)
		}
		c.patterns("capacity_rules", &c.set.rule, r.Patterns, int32(len(c.set.rules)))
		c.set.rules = append(c.set.rules, capacity{name, values})
	}
	// Of the rules for all paths, rules that add nothing to the rules before them are never looked at.
	var has uint64
	c.set.rule.all = slices.DeleteFunc(c.set.rule.all, func(i int32) bool {
		adds := c.set.rules[i].has&^has != 0
		has |= c.set.rules[i].has
		return !adds
	})
}

// patterns makes an index find what under the patterns.
func (c *compiler) patterns(table string, x *index, patterns []Pattern, what int32) {
	for _, p := range patterns {
		c.problem(table, p.ID, x.add(p, what))
		if p.Pool != "" && !c.members[strings.ToLower(p.Pool)] {
			c.problem(table, p.ID, fmt.Errorf("pool %q has no addresses: nothing matches", p.Pool))
		}
	}
	x.all = slices.Compact(x.all)
}

func (c *compiler) schedules(schedules []Schedule) {
	for _, s := range schedules {
		compiled := schedule{name: nameOr(s.Name, s.ID)}
		if len(s.Steps) == 0 {
			c.problem("schedules", s.ID, errors.New("there are no steps"))
			continue
		}
		for _, st := range s.Steps {
			values, err := compileValues(st.Values)
			c.problem("schedule_steps", st.ID, err)
			compiled.steps = append(compiled.steps, step{max(st.Day, 1), values})
		}
		slices.SortStableFunc(compiled.steps, func(a, b step) int { return cmp.Compare(a.day, b.day) })
		for i := 1; i < len(compiled.steps); i++ {
			if compiled.steps[i].day == compiled.steps[i-1].day {
				c.problem("schedules", s.ID, fmt.Errorf("day %d has more than one step: the first holds", compiled.steps[i].day))
			}
		}
		compiled.steps = slices.CompactFunc(compiled.steps, func(a, b step) bool { return a.day == b.day })
		c.patterns("schedule_rules", &c.set.schedule, s.Patterns, int32(len(c.set.schedules)))
		c.set.schedules = append(c.set.schedules, compiled)
	}
}

func nameOr(name string, id int64) string {
	if name == "" {
		return fmt.Sprint(id)
	}
	return name
}

func (c *compiler) flood(f *Flood) {
	text, err := compileText(f.Type, f.Pattern)
	if err == nil && f.Pause <= 0 && f.Duration <= 0 {
		err = errors.New("neither a pause nor a duration: nothing happens")
	}
	compiled := flood{key: floodKey{nameOr(f.Name, f.ID), f.ID}, text: text}
	if err == nil {
		err = compiled.where.add(Pattern{Source: f.Source, Domain: f.Domain}, 0)
	}
	if err != nil {
		c.problem("flood_responses", f.ID, err)
		return
	}
	compiled.pause, compiled.duration = bounded(f.Pause), bounded(f.Duration)
	compiled.setting, err = compileValues(f.Values)
	c.problem("flood_responses", f.ID, err)
	c.set.floods = append(c.set.floods, compiled)
}

// maxPhase bounds a phase of a flood.
const maxPhase = 366 * 24 * time.Hour

func bounded(d time.Duration) time.Duration { return min(max(d, 0), maxPhase) }

func compileText(typ, text string) (*pattern.Pattern, error) {
	t, err := pattern.ParseType(typ)
	if err != nil {
		return nil, err
	}
	return pattern.Compile(t, text, true)
}

// MatchAnswer reports whether a flood pattern of a type matches the answer with a code and text, so that a pattern can
// be tried before it is stored. The pattern is matched with what the host said, with and without the code before it.
func MatchAnswer(typ, text string, answer throttle.Outcome) (bool, error) {
	p, err := compileText(typ, text)
	if err != nil {
		return false, err
	}
	a := newAnswer(answer)
	return a.matches(p), nil
}

// concerns reports whether any pattern names a domain.
func (s *Set) concerns(domain string) bool {
	if s.rule.names(domain) || s.schedule.names(domain) {
		return true
	}
	for i := range s.floods {
		if s.floods[i].where.names(domain) {
			return true
		}
	}
	return false
}

// findSchedule returns the schedule of a path, or -1.
func (s *Set) findSchedule(path throttle.Path, domains []string) int32 {
	if len(s.schedules) == 0 {
		return -1
	}
	f := s.schedule.find(path, domains, s.pools[clean(path.Source)])
	if i, ok := f.first(); ok {
		return i
	}
	return -1
}

// limits returns the values of a path on a day of its schedule (-1: none), without floods; nil means base.
func (s *Set) limits(path throttle.Path, domains []string, schedule int32, day int,
	base *throttle.Limits) *throttle.Limits {
	f := s.rule.find(path, domains, s.pools[clean(path.Source)])
	key := make([]byte, 0, 64)
	for _, class := range f[:neither] {
		for _, i := range class {
			key = binary.AppendUvarint(key, uint64(i)+1)
		}
		key = append(key, 0)
	}
	key = binary.AppendVarint(binary.AppendVarint(key, int64(schedule)), int64(day))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base != base || s.shared == nil || len(s.shared) >= maxShared {
		s.base, s.shared = base, make(map[string]*throttle.Limits)
	}
	l, known := s.shared[string(key)]
	if !known {
		l = s.merge(&f, schedule, day, base)
		s.shared[string(key)] = l
	}
	return l
}

// merge puts together what concerns a path; nil: nothing does.
func (s *Set) merge(f *found, schedule int32, day int, base *throttle.Limits) *throttle.Limits {
	m := merged{fields: s.fields}
	all := uint64(1)<<len(s.fields) - 1
	for _, class := range f {
		for _, i := range class {
			m.fill(&s.rules[i].setting, s.rules[i].name)
			if m.has == all {
				break
			}
		}
	}
	if schedule >= 0 {
		sched := &s.schedules[schedule]
		m.restrict(&sched.steps[sched.at(day)].setting, fmt.Sprintf("schedule %s, day %d", sched.name, day), nil)
	}
	if m.has == 0 {
		return nil
	}
	return m.limits(base)
}

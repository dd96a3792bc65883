package rules

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery"
)

// Set is a compiled [Config]. It never changes and may be used concurrently.
type Set struct {
	suppressions *Suppressions
	pools        pools
	refusals     refusals
	pauses       pauses
	redirects    redirects
	rewrites     rewrites
	responses    responses
	defaults     []netip.Addr
	counters     *Counters
}

var _ delivery.Steering = (*Set)(nil)

// Compile makes a set of a configuration. What makes no sense is left out and told; the rest is in the set. A rule of
// which a condition or an action makes no sense is left out as a whole, since half a rule may do harm.
func Compile(config Config) (*Set, []Problem) {
	if config.Now.IsZero() {
		config.Now = time.Now()
	}
	s := &Set{suppressions: config.Suppressions, counters: config.Counters}
	if s.counters == nil {
		s.counters = new(Counters)
	}
	c := &compiler{config: &config, set: s, told: make(map[Problem]bool)}
	c.pools()
	for _, text := range config.DefaultIPs {
		if ip, err := parseIP("ip", text); err == nil && ip.IsValid() {
			s.defaults = append(s.defaults, ip)
		}
	}
	c.errors()
	c.pauses()
	c.redirects()
	c.rewrites()
	c.responses()
	return s, c.problems
}

// compiler is what Compile works with.
type compiler struct {
	config   *Config
	set      *Set
	problems []Problem
	told     map[Problem]bool // without their errors
}

// problem tells about a row that is left out; nothing when err is nil.
func (c *compiler) problem(table string, id int64, err error) bool {
	if err != nil {
		c.problems = append(c.problems, Problem{table, id, err})
	}
	return err != nil
}

// problemOnce is problem for a row that several others refer to.
func (c *compiler) problemOnce(table string, id int64, err error) {
	p := Problem{Table: table, ID: id}
	if !c.told[p] {
		c.told[p] = true
		c.problem(table, id, err)
	}
}

// here reports whether a row counts on this instance: one that names no instance counts on all.
func (c *compiler) here(cluster bool, instance int64) bool {
	return cluster || instance == 0 || instance == c.config.Instance
}

// over reports whether a row with an end is over.
func (c *compiler) over(end time.Time) bool { return !end.IsZero() && !c.config.Now.Before(end) }

func (c *compiler) pools() {
	p := &c.set.pools
	p.addresses = make(map[string][]netip.Addr, len(c.config.Pools))
	p.pool = make(map[netip.Addr]string, len(c.config.PoolIPs))
	p.row = make(map[netip.Addr]int64, len(c.config.PoolIPs))
	for _, r := range c.config.Pools {
		c.problem(tablePools, r.ID, p.addPool(r))
	}
	for _, r := range c.config.PoolIPs {
		c.problem(tablePoolIPs, r.ID, p.addIP(r))
	}
}

// Suppressed implements delivery.Steering by [Suppressions.Find].
func (s *Set) Suppressed(recipient string) (delivery.Refusal, bool) {
	if s.suppressions == nil {
		return delivery.Refusal{}, false
	}
	why, ok := s.suppressions.Find(recipient)
	if !ok {
		return delivery.Refusal{}, false
	}
	return delivery.Refusal{Rule: "suppression", Code: why.Code, Status: why.Status, Description: why.Description}, true
}

// Pool implements delivery.Steering. Case makes no difference in names.
func (s *Set) Pool(name string) []netip.Addr { return s.pools.addresses[strings.ToLower(name)] }

// ask makes a query of a selection, in memory of the caller's, so that nothing is allocated.
func (s *Set) ask(sel *delivery.Selection, sources []netip.Addr, pools []string) query {
	q := query{tags: sel.Tags}
	if sel.Target.IsValid() {
		q.target = clean(sel.Target)
	}
	if sel.Source.IsValid() {
		source := clean(sel.Source)
		sources = append(sources, source)
		if pool := s.pools.of(source); pool != "" {
			pools = append(pools, pool)
		}
	}
	if sel.Pool != "" {
		pools = append(pools, strings.ToLower(sel.Pool))
	}
	q.sources, q.pools = sources, pools
	return q
}

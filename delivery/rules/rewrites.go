package rules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/queue"
)

// rewrites are the rewrite rules, in their order.
type rewrites struct {
	rules    []rewrite
	index    *index // nil: there are none
	bySource bool   // some rule selects by address or pool
	byWhom   bool   // some rule is found by envelope or recipient
}

type rewrite struct {
	selector
	id           int64
	name         string // as it is told
	final        bool
	starts, ends time.Time
	conditions   []condition
	actions      []action
}

func (r *rewrite) active(now time.Time) bool {
	return (r.starts.IsZero() || !now.Before(r.starts)) && (r.ends.IsZero() || now.Before(r.ends))
}

func ruleName(kind string, id int64, name string) string {
	if name = strings.TrimSpace(name); name == "" {
		return fmt.Sprintf("%s %d", kind, id)
	}
	return fmt.Sprintf("%s %d (%s)", kind, id, name)
}

func (c *compiler) rewrites() {
	x := &c.set.rewrites
	rows := slices.Clone(c.config.RewriteRules)
	slices.SortStableFunc(rows, func(a, b RewriteRule) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	for i := range rows {
		r, ok := c.rewrite(&rows[i])
		if !ok || c.over(r.ends) {
			continue
		}
		x.rules = append(x.rules, r)
		x.bySource = x.bySource || r.source.IsValid() || r.pool != ""
	}
	filings := make([]filing, len(x.rules))
	for i := range x.rules {
		filings[i] = x.rules[i].filing()
		x.byWhom = x.byWhom || filings[i].envelope != "" || filings[i].recipient != ""
	}
	if len(filings) > 0 {
		x.index = newIndex(filings)
	}
}

// filing is what a rule asks for.
func (r *rewrite) filing() filing {
	f := filing{selector: &r.selector}
	for i := range r.conditions {
		switch c := &r.conditions[i]; {
		case c.negate:
		case c.what == ofEnvelope:
			f.envelope = cmp.Or(f.envelope, c.exact)
		case c.what == ofRecipient:
			f.recipient = cmp.Or(f.recipient, c.exact)
		}
	}
	return f
}

// compileTrigger reads a rule without its conditions and actions.
func compileTrigger(r *RewriteRule, pools *pools) (compiled rewrite, err error) {
	compiled.selector, err = compileSelector(columns{localIP: r.LocalIP, pool: r.Pool, domain: r.Domain, tag: r.Tag},
		pools)
	if err == nil && !r.Ends.IsZero() && !r.Starts.Before(r.Ends) {
		err = wrong("ends", " %s: expected a time after starts", r.Ends.UTC().Format(time.DateTime))
	}
	compiled.id, compiled.name, compiled.final = r.ID, ruleName("rewrite rule", r.ID, r.Name), r.Final
	compiled.starts, compiled.ends = r.Starts, r.Ends
	return compiled, err
}

// rewrite compiles a rule; one that is not whole is left out, and so are its parts.
func (c *compiler) rewrite(r *RewriteRule) (compiled rewrite, ok bool) {
	compiled, err := compileTrigger(r, &c.set.pools)
	ok = !c.problem(tableTriggers, r.ID, err)
	for i := range r.Conditions {
		cond, err := compileCondition(&r.Conditions[i])
		if c.problem(tableConditions, r.Conditions[i].ID, err) {
			c.problem(tableTriggers, r.ID, fmt.Errorf("its condition %d makes no sense", r.Conditions[i].ID))
			ok = false
			continue
		}
		compiled.conditions = append(compiled.conditions, *cond)
	}
	actions, bad := c.compileActions(r.Actions, false, tableRewrites)
	for _, id := range bad {
		c.problem(tableTriggers, r.ID, fmt.Errorf("its action %d makes no sense", id))
	}
	compiled.actions = actions
	return compiled, ok && len(bad) == 0
}

// sources is where a message may leave from, in memory of the caller's.
type sources struct {
	sources []netip.Addr
	pools   []string
}

// sourcesOf appends where a message may leave from.
func (s *Set) sourcesOf(w sources, m *queue.Message) sources {
	switch {
	case m.IPs != nil:
		for _, text := range m.IPs {
			if ip := addrOf(text); ip.IsValid() {
				w = s.from(w, ip)
			}
		}
	case m.Pool != "":
		pool := strings.ToLower(m.Pool)
		w.pools, w.sources = append(w.pools, pool), append(w.sources, s.pools.addresses[pool]...)
	default:
		for _, ip := range s.defaults {
			w = s.from(w, ip)
		}
	}
	return w
}

func (s *Set) from(w sources, ip netip.Addr) sources {
	w.sources = append(w.sources, ip)
	if pool := s.pools.of(ip); pool != "" && !slices.Contains(w.pools, pool) {
		w.pools = append(w.pools, pool)
	}
	return w
}

// Rewrite implements delivery.Steering. Rules are looked at once each, in their order, by what those before them made
// of the message. The rule that lets a message fail or wait is the last one.
func (s *Set) Rewrite(m *queue.Message, now time.Time) delivery.Decision {
	var d delivery.Decision
	x := &s.rewrites
	if x.index == nil {
		return d
	}
	v := view{m: m}
	var room [64]int32
	var addresses [8]netip.Addr
	var names [8]string
	last, again := int32(-1), true
	for again {
		again = false
		q, domain := query{tags: m.Tags}, addr.Domain(m.Recipient)
		if x.bySource {
			w := s.sourcesOf(sources{addresses[:0], names[:0]}, m)
			q.sources, q.pools = w.sources, w.pools
		}
		var envelope, recipient string
		if x.byWhom {
			envelope, recipient = addr.FoldAddress(m.Envelope), addr.FoldAddress(m.Recipient)
		}
		for _, i := range x.index.candidates(room[:0], &q, domain, envelope, recipient) {
			r := &x.rules[i]
			if i <= last || !r.active(now) || !r.selects(&q, domain) || !r.holds(&v) {
				continue
			}
			last = i
			selects, end := s.act(r, m, &d)
			if end || r.final {
				return d
			}
			if selects {
				again = true
				break
			}
		}
	}
	return d
}

func (r *rewrite) holds(v *view) bool {
	for i := range r.conditions {
		if !r.conditions[i].holds(v) {
			return false
		}
	}
	return true
}

// act carries out the actions of a rule. selects says that rules may select the message otherwise by that, end that it
// fails or waits.
func (s *Set) act(r *rewrite, m *queue.Message, d *delivery.Decision) (selects, end bool) {
	d.Rule = r.name
	for i := range r.actions {
		switch a := &r.actions[i]; a.do {
		case actFail:
			d.Fail, end = a.failure(r.name, nil), true
		case actDelay:
			if r.delays(m) {
				d.Delay, end = d.Delay+a.wait, true
			}
		default:
			selects = s.change(a, m) || selects
		}
	}
	return selects, end
}

// delays reports whether a rule has not delayed a message yet, and marks it as delayed. The mark is a property of the
// message, so that it goes wherever the message goes.
func (r *rewrite) delays(m *queue.Message) bool {
	var ids []int64
	if json.Unmarshal(m.Extra[markDelays], &ids) != nil {
		ids = nil
	}
	if slices.Contains(ids, r.id) {
		return false
	}
	raw, _ := json.Marshal(append(ids, r.id)) // numbers have no errors
	putExtra(&m.Extra, markDelays, raw)
	return true
}

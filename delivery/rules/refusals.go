package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/addr"
)

// refusals are the forced errors, in the order of their ids.
type refusals struct {
	rules []refusal
	index *index // nil: there are none
}

type refusal struct {
	selector
	why delivery.Refusal
}

func (c *compiler) errors() {
	rows := slices.Clone(c.config.Errors)
	slices.SortStableFunc(rows, func(a, b ForcedError) int { return cmp.Compare(a.ID, b.ID) })
	seen := make(map[selection]int64, len(rows))
	x := &c.set.refusals
	var filings []filing
	for i := range rows {
		r := &rows[i]
		if !c.here(r.Cluster, r.Instance) {
			continue
		}
		compiled, err := compileError(r, &c.set.pools)
		if err == nil {
			if first, known := seen[compiled.selection()]; known {
				err = fmt.Errorf("row %d selects the same mail and comes first: this one never counts", first)
			}
		}
		if c.problem(tableErrors, r.ID, err) {
			continue
		}
		seen[compiled.selection()] = r.ID
		x.rules = append(x.rules, compiled)
	}
	for i := range x.rules {
		filings = append(filings, filing{selector: &x.rules[i].selector})
	}
	if len(filings) > 0 {
		x.index = newIndex(filings)
	}
}

func compileError(r *ForcedError, pools *pools) (compiled refusal, err error) {
	compiled.selector, err = compileSelector(columns{r.LocalIP, r.Pool, r.Domain, r.IP, r.Tag}, pools)
	if err != nil {
		return compiled, err
	}
	code, status, err := codeAndStatus(r.Code, r.Extended)
	if err != nil {
		return compiled, err
	}
	text := strings.TrimSpace(r.Description)
	if text == "" {
		text = "refused by an operator"
	}
	compiled.why = delivery.Refusal{Rule: fmt.Sprintf("forced error %d", r.ID), Code: code, Status: status,
		Description: text}
	return compiled, nil
}

// codeAndStatus checks a reply code and its enhanced status code, and fills in what is missing.
func codeAndStatus(code int64, extended string) (int, string, error) {
	if code == 0 {
		code = 550
	}
	if code < 400 || code > 599 {
		return 0, "",
			wrong("code", " %d: expected 400 to 499, with which mail is tried again, or 500 to 599, with which it fails", code)
	}
	extended = strings.TrimSpace(extended)
	if extended == "" {
		return int(code), fmt.Sprintf("%d.7.1", code/100), nil
	}
	if !validStatus(extended) {
		return 0, "", wrong("extended", " %q: expected an enhanced status code such as 5.7.1, or nothing", extended)
	}
	if int64(extended[0]-'0') != code/100 {
		return 0, "", wrong("extended", " %q contradicts code %d: expected one that begins with %d", extended, code, code/100)
	}
	return int(code), extended, nil
}

// validStatus checks an enhanced status code, RFC 3463 §2.
func validStatus(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || !strings.Contains("45", parts[0]) {
		return false
	}
	for _, p := range parts[1:] {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}

// Refused implements delivery.Steering.
func (s *Set) Refused(sel *delivery.Selection, _ time.Time) (delivery.Refusal, bool) {
	x := &s.refusals
	if x.index == nil {
		return delivery.Refusal{}, false
	}
	var sources [1]netip.Addr
	var pools [2]string
	q, domain := s.ask(sel, sources[:0], pools[:0]), addr.Fold(sel.Domain)
	var room [64]int32
	for _, i := range x.index.candidates(room[:0], &q, domain, "", "") {
		if r := &x.rules[i]; r.selects(&q, domain) {
			return r.why, true
		}
	}
	return delivery.Refusal{}, false
}

// pauses are the pauses, that which lasts longest first.
type pauses struct {
	rules []pause
	index *index // nil: there are none
}

type pause struct {
	selector
	told delivery.Pause
}

// lasts reports whether a pause is not over.
func (p *pause) lasts(now time.Time) bool { return p.told.Until.IsZero() || now.Before(p.told.Until) }

func (c *compiler) pauses() {
	x := &c.set.pauses
	add := func(table string, r *Pause, rule string) {
		compiled, err := compilePause(r, rule, &c.set.pools)
		if !c.problem(table, r.ID, err) && !c.over(r.Expire) {
			x.rules = append(x.rules, compiled)
		}
	}
	for i := range c.config.Pauses {
		if r := &c.config.Pauses[i]; c.here(r.Cluster, r.Instance) {
			add(tablePaused, r, fmt.Sprintf("pause %d", r.ID))
		}
	}
	for i := range c.config.Started {
		r := c.config.Started[i]
		r.ID = 0
		add(tableStarted, &r, cmp.Or(r.Told, "started with --paused"))
	}
	slices.SortStableFunc(x.rules, func(a, b pause) int {
		return cmp.Or(longer(a.told.Until, b.told.Until), cmp.Compare(a.told.ID, b.told.ID))
	})
	// Of pauses that select the same, only the one that lasts longest can ever be told.
	seen := make(map[selection]bool, len(x.rules))
	x.rules = slices.DeleteFunc(x.rules, func(p pause) bool {
		key := p.selection()
		defer func() { seen[key] = true }()
		return seen[key]
	})
	var filings []filing
	for i := range x.rules {
		filings = append(filings, filing{selector: &x.rules[i].selector})
	}
	if len(filings) > 0 {
		x.index = newIndex(filings)
	}
}

// longer orders ends, the last one first; zero is never.
func longer(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return -1
	case b.IsZero():
		return 1
	}
	return b.Compare(a)
}

func compilePause(r *Pause, rule string, pools *pools) (compiled pause, err error) {
	c := columns{localIP: r.LocalIP, pool: r.Pool, domain: r.Target, tag: r.Tag}
	if ip, err := parseIP("target", r.Target); err == nil && ip.IsValid() {
		c.domain, c.ip = "", r.Target
	}
	compiled.selector, err = compileSelector(c, pools)
	if err != nil {
		return compiled, renamed(err, "domain", "target")
	}
	s := &compiled.selector
	compiled.told = delivery.Pause{ID: r.ID, Rule: rule, Tag: s.tag, Source: s.source.IsValid() || s.pool != "",
		Target: s.target.IsValid(), Until: r.Expire}
	return compiled, nil
}

// Paused implements delivery.Steering.
func (s *Set) Paused(sel *delivery.Selection, now time.Time) (delivery.Pause, bool) {
	x := &s.pauses
	if x.index == nil {
		return delivery.Pause{}, false
	}
	var sources [1]netip.Addr
	var pools [2]string
	q, domain := s.ask(sel, sources[:0], pools[:0]), addr.Fold(sel.Domain)
	var room [64]int32
	for _, i := range x.index.candidates(room[:0], &q, domain, "", "") {
		if p := &x.rules[i]; p.lasts(now) && p.selects(&q, domain) {
			return p.told, true
		}
	}
	return delivery.Pause{}, false
}

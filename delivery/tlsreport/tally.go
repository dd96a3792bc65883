package tlsreport

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// Policy says under which policy sessions took place.
type Policy struct {
	Type  string   `json:"type"`            // "tlsa", "sts" or "no-policy-found" (RFC 8460 §4.4)
	Lines []string `json:"lines,omitempty"` // of the policy as it was published
	MX    []string `json:"mx,omitempty"`    // patterns of an MTA-STS policy
}

// counted is what was counted under one policy of a domain.
type counted struct {
	Policy   Policy    `json:"policy"`
	Good     int64     `json:"good,omitempty"`
	Failures []failure `json:"failures,omitempty"`
}

// failure is one way in which sessions failed, between the same two.
type failure struct {
	Type     string `json:"type"`
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	Host     string `json:"host,omitempty"`
	HELO     string `json:"helo,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Sessions int64  `json:"sessions"`
}

// same reports whether sessions of both belong together.
func (f *failure) same(o *failure) bool {
	return f.Type == o.Type && f.From == o.From && f.To == o.To && f.Host == o.Host
}

// maxFailures are told apart under one policy; what is beyond is counted with the last one of its type, or the last.
const maxFailures = 100

// add counts a session; fail is nil when all was well.
func (c *counted) add(fail *failure) {
	if fail == nil {
		c.Good++
		return
	}
	at := slices.IndexFunc(c.Failures, func(f failure) bool { return f.same(fail) })
	switch {
	case at < 0 && len(c.Failures) < maxFailures:
		c.Failures = append(c.Failures, *fail)
		at = len(c.Failures) - 1
	case at < 0:
		at = maxFailures - 1
		for i := range c.Failures {
			if c.Failures[i].Type == fail.Type {
				at = i
			}
		}
	}
	c.Failures[at].Sessions++
}

// tally is what was counted: by day ("2006-01-02" in UTC), domain and policy.
type tally map[string]map[string][]*counted

// under returns where sessions of a domain under a policy are counted; nil when there are limit domains already.
func (t tally) under(day, domain string, p *Policy, limit int) *counted {
	domains := t[day]
	if domains == nil {
		domains = map[string][]*counted{}
		t[day] = domains
	}
	for _, c := range domains[domain] {
		if c.Policy.Type == p.Type && slices.Equal(c.Policy.Lines, p.Lines) {
			return c
		}
	}
	if domains[domain] == nil && len(domains) >= limit || len(domains[domain]) >= maxPolicies {
		return nil
	}
	c := &counted{Policy: *p}
	domains[domain] = append(domains[domain], c)
	return c
}

// maxPolicies are told apart of one domain on one day.
const maxPolicies = 20

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// readTally reads what was counted before; nothing when there is no file.
func readTally(path string) (tally, error) {
	t := tally{}
	text, err := os.ReadFile(path)
	switch {
	case path == "" || errors.Is(err, fs.ErrNotExist):
		return t, nil
	case err != nil:
		return t, err
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return tally{}, err
	}
	if t == nil {
		t = tally{}
	}
	for day, domains := range t {
		if domains == nil {
			delete(t, day)
		}
		for domain, all := range domains {
			domains[domain] = slices.DeleteFunc(all, func(c *counted) bool { return c == nil })
		}
	}
	return t, nil
}

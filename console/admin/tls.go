package admin

import (
	"context"
	"strings"
	"time"
)

// TLS knows how connections have to be secured, and who was told how they were.
type TLS interface {
	// TLSPolicies returns what is known of domains, in their order.
	TLSPolicies() []TLSPolicy
	// TLSReports returns reports about others' domains, the newest day first, those of a day by their domains.
	TLSReports() []TLSReport
}

// TLSPolicy is what is known of how the owner of a domain wants its mail secured.
type TLSPolicy struct {
	Domain string `json:"domain"`
	// Policy is what the last connection went by: "dane", "sts" (MTA-STS) or "none".
	Policy string `json:"policy"`
	// Mode is "enforce" or "testing"; of an MTA-STS policy that was withdrawn "none"; "": there is no policy.
	Mode string `json:"mode,omitempty"`
	// MX are the patterns of the MTA-STS policy; without one, hosts whose TLSA records were obeyed.
	MX      []string  `json:"mx,omitempty"`
	ID      string    `json:"id,omitempty"` // in the TXT record of MTA-STS
	Fetched time.Time `json:"fetched,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	// Failure is the last one since the program began, by its name in RFC 8460 §4.3, and Reason the same in words.
	Failure  string    `json:"failure,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	FailedAt time.Time `json:"failed-at,omitzero"`
	// Good and Failed are connections of the present day (UTC).
	Good   int64 `json:"good"`
	Failed int64 `json:"failed"`
}

// TLSReport is a report about connections to the hosts of a domain on one day (RFC 8460).
type TLSReport struct {
	Domain   string   `json:"domain"`
	Day      string   `json:"day"`                // UTC: 2006-01-02
	Policies []string `json:"policies,omitempty"` // "tlsa", "sts", "no-policy-found"
	Good     int64    `json:"good"`               // connections
	Failed   int64    `json:"failed"`
	Types    []string `json:"types,omitempty"` // of failures
	// State is one of [ReportStates].
	State   string    `json:"state"`
	To      string    `json:"to,omitempty"`      // "mailto:…" or "https:…" that took it, or was tried last
	At      time.Time `json:"at,omitzero"`       // when it was sent, or tried last
	Next    time.Time `json:"next,omitzero"`     // when it is tried next
	Problem string    `json:"problem,omitempty"` // why it was not sent
}

// ReportStates are what may have become of a report: it is not sent yet; it is sent; it will be tried again; nobody
// took it for a day.
func ReportStates() []string { return []string{"waiting", "sent", "failed", "given-up"} }

// TLSPolicyFields are what a search for policies can be told.
func TLSPolicyFields() []Field {
	return []Field{
		{Name: "domain", Type: Text, Meaning: "part of the domain's name"},
		{Name: "policy", Type: Choice, Choices: []string{"dane", "sts", "none"}, Meaning: "not given: any"},
		{Name: "failing", Type: Boolean,
			Meaning: "true: only domains to which a connection failed today; false: only others"},
	}
}

// TLSReportFields are what a search for reports can be told.
func TLSReportFields() []Field {
	return []Field{
		{Name: "domain", Type: Text, Meaning: "part of the domain's name"},
		{Name: "state", Type: Choice, Choices: ReportStates(), Meaning: "what became of it; not given: anything but waiting"},
	}
}

// MatchTLSPolicy makes a test of values that passed [CheckFields] with [TLSPolicyFields].
func MatchTLSPolicy(values Values) func(*TLSPolicy) bool {
	name, policy := textOf(values, "domain"), textOf(values, "policy")
	failing, wanted := values["failing"].(bool)
	return func(p *TLSPolicy) bool {
		return strings.Contains(p.Domain, name) && (policy == "" || p.Policy == policy) &&
			(!wanted || failing == (p.Failed > 0))
	}
}

// MatchTLSReport makes a test of values that passed [CheckFields] with [TLSReportFields].
func MatchTLSReport(values Values) func(*TLSReport) bool {
	name, state := textOf(values, "domain"), textOf(values, "state")
	return func(r *TLSReport) bool {
		return strings.Contains(r.Domain, name) && (state == "" && r.State != "waiting" || state == r.State)
	}
}

// TLSPolicies returns what is known of domains, in their order.
func (a *Admin) TLSPolicies(context.Context) ([]TLSPolicy, error) {
	if a.TLS == nil {
		return nil, errNoPolicies
	}
	return a.TLS.TLSPolicies(), nil
}

// TLSReports returns the reports about others' domains, the newest day first, those of a day by their domains.
func (a *Admin) TLSReports(context.Context) ([]TLSReport, error) {
	if a.TLS == nil {
		return nil, errNoPolicies
	}
	return a.TLS.TLSReports(), nil
}

var errNoPolicies = unsupported("nobody is asked for policies on TLS: tls-policy is off")

// textOf returns a field that holds a text in lower case; "" when it is not given.
func textOf(values Values, name string) string {
	s, _ := values[name].(string)
	return strings.ToLower(strings.TrimSpace(s))
}

package tls

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/internal/human"
)

// policyLine is what is known of a domain, as it is shown.
type policyLine struct {
	admin.TLSPolicy
	Name string // the domain, for people
	Hosts, AllHosts,
	Kind string // class of the mode
}

func policyLineOf(p *admin.TLSPolicy) policyLine {
	l := policyLine{TLSPolicy: *p, Name: shown(p.Domain, 255), Kind: "off"}
	l.Reason = shown(p.Reason, 300)
	l.AllHosts = shown(strings.Join(p.MX[:min(len(p.MX), 100)], ", "), 2000)
	l.Hosts = shown(strings.Join(p.MX[:min(len(p.MX), mostListed)], ", "), 200)
	if more := len(p.MX) - mostListed; more > 0 {
		l.Hosts += ", and " + human.Count(more) + " more"
	}
	switch p.Mode {
	case "enforce":
		l.Kind = "ok"
	case "testing":
		l.Kind = "dns"
	}
	return l
}

// Words says what the policy is called.
func (l *policyLine) Words() string {
	switch l.Policy {
	case "dane":
		return "DANE"
	case "sts":
		return "MTA-STS"
	}
	return "none"
}

// reportLine is a report about another's domain, as it is shown.
type reportLine struct {
	admin.TLSReport
	Name, Kind, Words string
	By                string // "mail", "HTTPS", "": it was not tried
	Target            string
	Failures          string
}

func reportLineOf(r *admin.TLSReport) reportLine {
	l := reportLine{TLSReport: *r, Name: shown(r.Domain, 255), Words: wordsOf(r.State), Kind: "off",
		Failures: shown(strings.Join(r.Types, ", "), 300)}
	l.Problem = shown(r.Problem, 300)
	switch r.State {
	case "sent":
		l.Kind = "ok"
	case "failed", "given-up":
		l.Kind = "failing"
	}
	if address, ok := strings.CutPrefix(r.To, "mailto:"); ok {
		l.By, l.Target = "mail", shown(address, 320)
	} else if r.To != "" {
		l.By, l.Target = "HTTPS", shown(r.To, 320)
	}
	return l
}

// wordsOf says what became of a report.
func wordsOf(state string) string {
	switch state {
	case "waiting":
		return "to be sent"
	case "failed":
		return "tried again"
	case "given-up":
		return "given up"
	}
	return state
}

// receivedLine is a report of others about one's own domain.
type receivedLine struct {
	Time                 time.Time
	Source, Domain, Said string
	Day                  string
	Good, Failed         int64
}

func receivedLineOf(r *feedback.Record) receivedLine {
	l := receivedLine{Time: r.Time, Source: shown(r.Source, 100), Domain: shown(r.Domain, 255),
		Said: shown(r.Diagnostic, 300), Good: max(r.Messages-r.Failed, 0), Failed: r.Failed}
	if r.Begin != nil {
		l.Day = r.Begin.UTC().Format(time.DateOnly)
	}
	return l
}

// TestAddress is the address of the page that tests an address of the domain.
func (l *policyLine) TestAddress() string {
	return "/tls/test?" + url.Values{"address": {"postmaster@" + l.Domain}}.Encode()
}

// policyRows are policies as comma separated values.
func policyRows(all []*admin.TLSPolicy) [][]string {
	rows := [][]string{{"domain", "policy", "mode", "mx", "id", "fetched", "expires", "good", "failed", "failure",
		"reason", "failed-at"}}
	for _, p := range all {
		rows = append(rows, []string{p.Domain, p.Policy, p.Mode, strings.Join(p.MX, " "), p.ID, moment(p.Fetched),
			moment(p.Expires),
			strconv.FormatInt(p.Good, 10), strconv.FormatInt(p.Failed, 10), p.Failure, p.Reason, moment(p.FailedAt)})
	}
	return rows
}

// reportRows are reports as comma separated values.
func reportRows(all []*admin.TLSReport) [][]string {
	rows := [][]string{{"day", "domain", "policies", "good", "failed", "types", "state", "to", "at", "next", "problem"}}
	for _, r := range all {
		rows = append(rows, []string{r.Day, r.Domain, strings.Join(r.Policies, " "), strconv.FormatInt(r.Good, 10),
			strconv.FormatInt(r.Failed, 10), strings.Join(r.Types, " "), r.State, r.To, moment(r.At), moment(r.Next), r.Problem})
	}
	return rows
}

// moment writes a time for programs; "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

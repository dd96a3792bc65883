package tlsreport

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"time"
)

// document is a report (RFC 8460 §4.4).
type document struct {
	Organisation string         `json:"organization-name"`
	Range        dateRange      `json:"date-range"`
	Contact      string         `json:"contact-info"`
	ID           string         `json:"report-id"`
	Policies     []policyResult `json:"policies"`
}

type dateRange struct {
	Start string `json:"start-datetime"`
	End   string `json:"end-datetime"`
}

type policyResult struct {
	Policy   policyText       `json:"policy"`
	Summary  summary          `json:"summary"`
	Failures []failureDetails `json:"failure-details,omitempty"`
}

type policyText struct {
	Type   string   `json:"policy-type"`
	Lines  []string `json:"policy-string,omitempty"`
	Domain string   `json:"policy-domain"`
	MX     []string `json:"mx-host,omitempty"`
}

type summary struct {
	Successful int64 `json:"total-successful-session-count"`
	Failed     int64 `json:"total-failure-session-count"`
}

type failureDetails struct {
	Type        string `json:"result-type"`
	SendingIP   string `json:"sending-mta-ip,omitempty"`
	MX          string `json:"receiving-mx-hostname,omitempty"`
	HELO        string `json:"receiving-mx-helo,omitempty"`
	ReceivingIP string `json:"receiving-ip,omitempty"`
	Sessions    int64  `json:"failed-session-count"`
	Reason      string `json:"failure-reason-code,omitempty"`
}

// report makes the report on a domain's day, compressed.
func (r *Reporter) report(day, domain string, all []*counted) ([]byte, error) {
	start, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil, err
	}
	d := document{Organisation: r.Organisation, Contact: r.From, ID: r.id(day, domain),
		Range: dateRange{start.Format(time.RFC3339), start.Add(24*time.Hour - time.Second).Format(time.RFC3339)}}
	for _, c := range all {
		p := policyResult{Policy: policyText{c.Policy.Type, c.Policy.Lines, domain, c.Policy.MX},
			Summary: summary{Successful: c.Good}}
		for _, f := range c.Failures {
			p.Summary.Failed += f.Sessions
			p.Failures = append(p.Failures, failureDetails{f.Type, f.From, f.Host, f.HELO, f.To, f.Sessions, f.Reason})
		}
		d.Policies = append(d.Policies, p)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if err := errors.Join(json.NewEncoder(z).Encode(d), z.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// id is the same for one report however often it is sent.
func (r *Reporter) id(day, domain string) string { return day + "." + domain + "@" + r.Host }

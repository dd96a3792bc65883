package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// TLS is a report on TLS (RFC 8460): how the connections of one sender to a domain were secured.
type TLS struct {
	Organisation string
	Contact      string
	ID           string
	Begin, End   time.Time
	Policies     []TLSPolicy
}

// TLSPolicy is what happened under one policy.
type TLSPolicy struct {
	Type       string // "tlsa", "sts", "no-policy-found"
	Lines      []string
	Domain     string
	MX         []string
	Successful int64 // sessions
	Failed     int64
	Failures   []TLSFailure
}

// TLSFailure is one way in which sessions failed.
type TLSFailure struct {
	Type        string     // "starttls-not-supported", "certificate-expired", ... (RFC 8460 §4.3)
	SendingIP   netip.Addr // zero: not told
	MX          string
	HELO        string
	ReceivingIP netip.Addr
	Sessions    int64
	Information string
	Reason      string
}

// tlsJSON is a report as it is written.
type tlsJSON struct {
	Organisation string `json:"organization-name"`
	Range        struct {
		Start string `json:"start-datetime"`
		End   string `json:"end-datetime"`
	} `json:"date-range"`
	Contact  string          `json:"contact-info"`
	ID       string          `json:"report-id"`
	Policies []tlsPolicyJSON `json:"policies"`
}

type tlsPolicyJSON struct {
	Policy struct {
		Type   string     `json:"policy-type"`
		Lines  stringList `json:"policy-string"`
		Domain string     `json:"policy-domain"`
		MX     stringList `json:"mx-host"`
	} `json:"policy"`
	Summary struct {
		Successful count `json:"total-successful-session-count"`
		Failed     count `json:"total-failure-session-count"`
	} `json:"summary"`
	Failures []tlsFailureJSON `json:"failure-details"`
}

type tlsFailureJSON struct {
	Type        string `json:"result-type"`
	SendingIP   string `json:"sending-mta-ip"`
	MX          string `json:"receiving-mx-hostname"`
	HELO        string `json:"receiving-mx-helo"`
	ReceivingIP string `json:"receiving-ip"`
	Sessions    count  `json:"failed-session-count"`
	Information string `json:"additional-information"`
	Reason      string `json:"failure-reason-code"`
}

// stringList is a list of strings; some write a single one without brackets.
type stringList []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *stringList) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*l = stringList{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(l))
}

// count is a number; some write it in quotes.
type count int64

// UnmarshalJSON implements json.Unmarshaler.
func (c *count) UnmarshalJSON(data []byte) error {
	if len(data) >= 2 && data[0] == '"' {
		data = data[1 : len(data)-1]
	}
	return json.Unmarshal(data, (*int64)(c))
}

func readTLS(leaves []leaf) (*TLS, error) {
	var last error = errors.New("the report in it cannot be read")
	for i := range leaves {
		l := &leaves[i]
		if l.mediaType != "application/tlsrpt+json" && l.mediaType != "application/tlsrpt+gzip" && sniff(l.content()) != TLSRPT {
			continue
		}
		t, err := parseTLS(l)
		if err == nil {
			return t, nil
		}
		last = err
	}
	return nil, last
}

func parseTLS(l *leaf) (*TLS, error) {
	in, err := l.unpacked(maxTLS)
	if err != nil {
		return nil, err
	}
	var j tlsJSON
	if err := json.NewDecoder(&countGuard{in: in}).Decode(&j); err != nil {
		return nil, err
	}
	t := &TLS{Organisation: j.Organisation, Contact: j.Contact, ID: j.ID, Begin: parseDate(j.Range.Start), End: parseDate(j.Range.End)}
	for i := range j.Policies {
		t.Policies = append(t.Policies, j.Policies[i].policy())
	}
	if len(t.Policies) == 0 {
		return nil, fmt.Errorf("report %q has no policies: expected at least one (RFC 8460 §4.4)", j.ID)
	}
	return t, nil
}

func (j *tlsPolicyJSON) policy() TLSPolicy {
	p := TLSPolicy{Type: j.Policy.Type, Lines: j.Policy.Lines, Domain: j.Policy.Domain, MX: j.Policy.MX,
		Successful: int64(j.Summary.Successful), Failed: int64(j.Summary.Failed)}
	for _, f := range j.Failures {
		sending, _ := netip.ParseAddr(f.SendingIP)
		receiving, _ := netip.ParseAddr(f.ReceivingIP)
		p.Failures = append(p.Failures, TLSFailure{Type: f.Type, SendingIP: sending, MX: f.MX, HELO: f.HELO, ReceivingIP: receiving,
			Sessions: int64(f.Sessions), Information: f.Information, Reason: f.Reason})
	}
	return p
}

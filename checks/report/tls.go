package report

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
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

// tlsPolicyJSON is a policy as it is written.
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
	return firstReadable(leaves, TLSRPT, parseTLS)
}

// parseTLS reads a report value by value, so that a large one needs no more memory than its policies.
func parseTLS(l *leaf) (*TLS, error) {
	in, err := l.unpacked(maxTLS)
	if err != nil {
		return nil, err
	}
	r := tlsReader{guard: &guard{in: in, most: maxPolicy, json: true}}
	r.json = json.NewDecoder(r.guard)
	if err := r.members(r.member); err != nil {
		return nil, err
	}
	if len(r.report.Policies) == 0 {
		return nil, fmt.Errorf("report %q has no policies: expected at least one (RFC 8460 §4.4)", r.report.ID)
	}
	return &r.report, nil
}

// tlsReader reads a report on TLS.
type tlsReader struct {
	guard  *guard
	json   *json.Decoder
	memory kept
	report TLS
}

// next reads a value.
func (r *tlsReader) next(value any) error {
	r.guard.renew()
	return r.json.Decode(value)
}

// members reads an object, and each of its members with a function that is given the name.
func (r *tlsReader) members(member func(name string) error) error {
	return r.inside('{', func() error {
		r.guard.renew()
		name, err := r.json.Token()
		if err != nil {
			return err
		}
		text, _ := name.(string)
		return member(strings.ToLower(text))
	})
}

// inside reads an object or an array, and each of its elements with a function.
func (r *tlsReader) inside(kind json.Delim, element func() error) error {
	r.guard.renew()
	open, err := r.json.Token()
	if err != nil || open == nil {
		return err
	}
	if open != kind {
		return fmt.Errorf("%v at byte %d: expected %v", open, r.json.InputOffset(), kind)
	}
	for r.json.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err = r.json.Token()
	return err
}

// member reads a member of the report.
func (r *tlsReader) member(name string) error {
	switch name {
	case "organization-name":
		return r.next(&r.report.Organisation)
	case "contact-info":
		return r.next(&r.report.Contact)
	case "report-id":
		return r.next(&r.report.ID)
	case "date-range":
		var span struct {
			Start string `json:"start-datetime"`
			End   string `json:"end-datetime"`
		}
		err := r.next(&span)
		r.report.Begin, r.report.End = parseDate(span.Start), parseDate(span.End)
		return err
	case "policies":
		return r.inside('[', r.policy)
	}
	r.guard.renew()
	return skipValue(r.json)
}

// policy reads a policy.
func (r *tlsReader) policy() error {
	var j tlsPolicyJSON
	if err := r.next(&j); err != nil {
		return err
	}
	if r.memory.policy(&j); r.memory.err() != nil {
		return r.memory.err()
	}
	r.report.Policies = append(r.report.Policies, j.policy())
	return nil
}

// policy counts a policy.
func (k *kept) policy(j *tlsPolicyJSON) {
	k.add(400, j.Policy.Type, j.Policy.Domain)
	for _, lines := range []stringList{j.Policy.Lines, j.Policy.MX} {
		k.add(32*len(lines), lines...)
	}
	for _, f := range j.Failures {
		k.add(320, f.Type, f.MX, f.HELO, f.Information, f.Reason)
	}
}

func (j *tlsPolicyJSON) policy() TLSPolicy {
	p := TLSPolicy{Type: j.Policy.Type, Lines: j.Policy.Lines, Domain: j.Policy.Domain, MX: j.Policy.MX,
		Successful: int64(j.Summary.Successful), Failed: int64(j.Summary.Failed)}
	for _, f := range j.Failures {
		sending, _ := netip.ParseAddr(f.SendingIP)
		receiving, _ := netip.ParseAddr(f.ReceivingIP)
		p.Failures = append(p.Failures, TLSFailure{Type: f.Type, SendingIP: sending, MX: f.MX, HELO: f.HELO,
			ReceivingIP: receiving,
			Sessions:    int64(f.Sessions), Information: f.Information, Reason: f.Reason})
	}
	return p
}

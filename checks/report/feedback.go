package report

import (
	"errors"
	"net/netip"
	"strings"
	"time"
)

// Feedback is what a feedback report says (RFC 5965): a complaint of a recipient, or a failure of authentication (RFC
// 6591).
type Feedback struct {
	Type            string // "abuse", "fraud", "virus", "not-spam", "auth-failure", "other"
	UserAgent       string
	Version         string
	EnvelopeID      string
	MailFrom        string   // envelope sender of the mail
	Recipients      []string // Original-Rcpt-To; else the addresses in To of the returned mail
	Arrival         time.Time
	SourceIP        netip.Addr // where the mail came from; zero: not told
	ReportingMTA    string
	Incidents       int // how many there were like this; 1 when not told
	Domains         []string
	URIs            []string
	Authentication  []string // Authentication-Results
	AuthFailure     string   // "dkim", "spf", "dmarc", ... of an auth-failure
	DeliveryResult  string   // "reject", "delivered", "policy", ...
	DKIMDomain      string
	DKIMSelector    string
	DKIMIdentity    string
	SPFDNS          []string
	IdentityAligned string // Identity-Alignment (RFC 7489 §7.3.1)
	Original        *Original
}

func readFeedback(leaves []leaf) (*Feedback, error) {
	g, err := onlyGroup(leaves, "message/feedback-report")
	if err != nil {
		return nil, err
	}
	_, mta := g.typed("reporting-mta")
	f := &Feedback{
		Type: strings.ToLower(g.get("feedback-type")), UserAgent: g.get("user-agent"), Version: g.get("version"),
		EnvelopeID: g.get("original-envelope-id"), MailFrom: bare(g.get("original-mail-from")), ReportingMTA: mta,
		Arrival: g.time("arrival-date"), Incidents: max(1, number(g.get("incidents"), 1)), Domains: g["reported-domain"],
		URIs:           g["reported-uri"],
		Authentication: g["authentication-results"], AuthFailure: strings.ToLower(g.get("auth-failure")),
		DeliveryResult: strings.ToLower(g.get("delivery-result")),
		DKIMDomain:     g.get("dkim-domain"), DKIMSelector: g.get("dkim-selector"), DKIMIdentity: g.get("dkim-identity"),
		SPFDNS:          g["spf-dns"],
		IdentityAligned: g.get("identity-alignment"), Original: original(leaves),
	}
	if f.Arrival.IsZero() {
		f.Arrival = g.time("received-date") // as it was called at first
	}
	f.SourceIP, _ = netip.ParseAddr(strings.Trim(g.get("source-ip"), "[]"))
	for _, to := range g["original-rcpt-to"] {
		f.Recipients = append(f.Recipients, bare(to))
	}
	if len(f.Recipients) == 0 && f.Original != nil { // many leave it out, or black it, but return the mail
		f.Recipients = anyAddress.FindAllString(f.Original.To, maxParts)
	}
	if f.Type == "" {
		return nil, errors.New("it has no type: expected a field like Feedback-Type: abuse (RFC 5965 §3.1)")
	}
	return f, nil
}

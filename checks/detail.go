package checks

import "net/netip"

// DMARC is the Detail of a result of the check "dmarc": what the owner of the domain asks for, and what is to be done.
type DMARC struct {
	From   string // the domain of From that decided; "" when there is none
	Domain string // where the policy was found: From's domain, one above it, or "" when there is no policy
	Policy string // what is asked for mails that fail: "none", "quarantine", "reject"; "" when there is no policy
	// what to do with this mail, in the same words; "none" unless the mail failed, or its From is not as it must be
	Disposition string
	Testing     bool // the owner only tries it out (t=y), so that Disposition is milder than Policy
}

// Spam is the Detail of a result of the check "spam".
type Spam struct {
	Spam             bool
	Score, Threshold float64
	Symbols          []string // of the rules that matched
}

// Virus is the Detail of a result of the check "virus" for a mail that carries one.
type Virus struct {
	Signature string // what the scanner calls it
}

// Listing is the Detail of a result of the check "dnsbl" for a client that a list names.
type Listing struct {
	Zone  string
	Codes []netip.Addr // in order
}

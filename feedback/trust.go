package feedback

import (
	"encoding/json"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
)

// Proof says why a report may act.
type Proof string

// The proofs.
const (
	ProofReturnPath       = Proof(ByReturnPath)
	ProofEnvID            = Proof(ByEnvID)
	ProofDKIM       Proof = "dkim"    // DKIM passed for a listed sender of complaints
	ProofSPF        Proof = "spf"     // SPF did
	ProofSession    Proof = "session" // the server that refused the mail was there
)

// aligned returns how the sender of a complaint is proved to be one of those listed: DKIM or SPF passed for a domain
// that is that of From or above or below it, and both are a listed domain or below it. "": it is not; why tells.
func aligned(header []byte, checks []json.RawMessage, listed func(domain string) bool) (proof Proof, why string) {
	from := addr.Domain(fromAddress(header))
	switch {
	case from == "" || !listed(from):
		return "", "its sender is not a listed sender of complaints"
	case len(checks) == 0:
		return "", "SPF and DKIM were not checked"
	}
	for _, check := range checks {
		var c struct {
			DKIM   string `json:"dkim"`
			Domain string `json:"header.d"`
			SPF    string `json:"spf"`
			From   string `json:"smtp.mailfrom"`
			HELO   string `json:"smtp.helo"`
		}
		if json.Unmarshal(check, &c) != nil {
			continue
		}
		if domain := addr.Fold(c.Domain); c.DKIM == "pass" && related(domain, from) && listed(domain) {
			return ProofDKIM, ""
		}
		domain := addr.Fold(c.HELO)
		if c.From != "" {
			domain = addr.Domain("@" + c.From)
		}
		if c.SPF == "pass" && related(domain, from) && listed(domain) {
			return ProofSPF, ""
		}
	}
	return "", "neither DKIM nor SPF passed for its sender"
}

// related reports whether one domain is the other, or is below it.
func related(a, b string) bool { return under(a, b) || under(b, a) }

// under reports whether a domain is another one, or is below it.
func under(domain, above string) bool {
	return domain != "" && (domain == above || strings.HasSuffix(domain, "."+above))
}

// fromAddress returns the address in From; "" when there is not exactly one.
func fromAddress(header []byte) string {
	from, fields := "", 0
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		if !f.Is("from") {
			continue
		}
		fields++
		all := mailheader.AppendAddresses(nil, f.Value(), 2)
		if len(all) != 1 {
			return ""
		}
		from = string(all[0])
	}
	if fields != 1 {
		return ""
	}
	return from
}

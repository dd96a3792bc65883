package dmarc

import "strings"

// Policy is what an owner asks for mails that fail.
type Policy string

// The policies, from mild to strict. "" is: not given.
const (
	PolicyNone       Policy = "none"
	PolicyQuarantine Policy = "quarantine"
	PolicyReject     Policy = "reject"
)

// level puts policies in order.
func (p Policy) level() int {
	switch p {
	case PolicyQuarantine:
		return 1
	case PolicyReject:
		return 2
	}
	return 0
}

// strictest returns the stricter of two policies.
func strictest(a, b Policy) Policy {
	if b.level() > a.level() {
		return b
	}
	return a
}

// milder returns what a policy becomes while it is tried out (RFC 9989 §4.7, t=).
func (p Policy) milder() Policy {
	if p == PolicyReject {
		return PolicyQuarantine
	}
	return PolicyNone
}

// PSD says whether a record is one of a public suffix (RFC 9989 §4.7, psd=).
type PSD uint8

// The values of psd=.
const (
	PSDUnknown PSD = iota
	PSDYes
	PSDNo
)

// Record is a policy record.
type Record struct {
	Policy      Policy // p=, never ""
	Subdomains  Policy // sp=, "" when not given
	NonExistent Policy // np=, "" when not given
	StrictDKIM  bool   // adkim=s
	StrictSPF   bool   // aspf=s
	Testing     bool   // t=y
	PSD         PSD
	Reports     []string // the addresses of rua=
}

// maxRecord is the most bytes of a record that are read.
const maxRecord = 8 << 10

// ParseRecord reads a text record. ok is false for a text that is no usable DMARC record: it does not begin with
// v=DMARC1, or names a policy that does not exist without asking for reports (RFC 9989 §4.10.1). Other mistakes are
// overlooked, as if the tag were not there (RFC 9989 §4.7).
func ParseRecord(text string) (record Record, ok bool) {
	if !isRecord(text) {
		return Record{}, false
	}
	r, known, wrong := Record{}, map[string]bool{}, false
	for part := range strings.SplitSeq(text, ";") {
		name, value, found := strings.Cut(part, "=")
		name, value = strings.ToLower(strings.Trim(name, " \t\r\n")), strings.Trim(value, " \t\r\n")
		if !found || known[name] {
			continue
		}
		switch name {
		case "v", "p", "sp", "np", "adkim", "aspf", "t", "psd", "rua":
			known[name] = true
			wrong = !r.set(name, value) || wrong
		}
	}
	if wrong {
		if len(r.Reports) == 0 {
			return Record{}, false
		}
		r.Policy, r.Subdomains, r.NonExistent = PolicyNone, "", ""
	}
	if r.Policy == "" {
		r.Policy = PolicyNone
	}
	return r, true
}

// isRecord reports whether a text begins with the version, which alone makes it a DMARC record.
func isRecord(text string) bool {
	if len(text) > maxRecord {
		return false
	}
	version, _, _ := strings.Cut(text, ";")
	name, value, found := strings.Cut(version, "=")
	return found && strings.TrimRight(name, " \t") == "v" && strings.Trim(value, " \t") == "DMARC1"
}

// set takes one tag over. It returns false for a policy that does not exist.
func (r *Record) set(name, value string) bool {
	lower := strings.ToLower(value)
	switch name {
	case "p":
		return setPolicy(&r.Policy, lower)
	case "sp":
		return setPolicy(&r.Subdomains, lower)
	case "np":
		return setPolicy(&r.NonExistent, lower)
	case "adkim":
		r.StrictDKIM = lower == "s"
	case "aspf":
		r.StrictSPF = lower == "s"
	case "t":
		r.Testing = lower == "y"
	case "psd":
		switch lower {
		case "y":
			r.PSD = PSDYes
		case "n":
			r.PSD = PSDNo
		}
	case "rua":
		for uri := range strings.SplitSeq(value, ",") {
			uri = strings.Trim(uri, " \t\r\n")
			if scheme, rest, found := strings.Cut(uri, ":"); found && scheme != "" && rest != "" {
				r.Reports = append(r.Reports, uri)
			}
		}
	}
	return true
}

func setPolicy(to *Policy, value string) bool {
	switch p := Policy(value); p {
	case PolicyNone, PolicyQuarantine, PolicyReject:
		*to = p
		return true
	}
	return false
}

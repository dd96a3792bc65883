package report

import (
	"net/netip"
	"strings"
)

// junk begins the subject of a complaint that Microsoft's Junk Mail Reporting Program passes on; the address that the
// mail came from follows. It has no type that tells: the mail is attached, with the recipient in a field of its own.
const junk = "complaint about message from "

// junked reads a mail as such a complaint; nil when it is none.
func junked(header []byte, leaves []leaf) *Report {
	ip, err := netip.ParseAddr(strings.TrimSpace(strings.TrimPrefix(subject(header), junk)))
	o := original(leaves)
	if err != nil || o == nil {
		return nil
	}
	to := bare(string(valueOf(o.Header, "x-hmxmroriginalrecipient")))
	if to == "" {
		return nil
	}
	return &Report{Kind: ARF, Feedback: &Feedback{
		Type: "abuse", SourceIP: ip, Incidents: 1, MailFrom: o.Envelope, Recipients: []string{to}, Original: o,
	}}
}

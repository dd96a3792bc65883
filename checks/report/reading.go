package report

import (
	"errors"
	"strings"
)

// Reading is what a disposition notification says (RFC 8098): what somebody, or a program in their place, did with a
// mail.
type Reading struct {
	ReportingUA       string
	Gateway           string
	OriginalRecipient string
	FinalRecipient    string
	MessageID         string // of the mail that it is about, without angle brackets
	Action            string // "manual-action" or "automatic-action"
	Sending           string // "mdn-sent-manually" or "mdn-sent-automatically"
	Disposition       string // "displayed", "deleted", "dispatched", "processed"
	Modifiers         []string
	Errors            []string
	Original          *Original
}

func readReading(leaves []leaf) (*Reading, error) {
	g, err := onlyGroup(leaves, "message/disposition-notification", "message/global-disposition-notification")
	if err != nil {
		return nil, err
	}
	r := &Reading{
		ReportingUA: g.get("reporting-ua"), OriginalRecipient: g.address("original-recipient"),
		FinalRecipient: g.address("final-recipient"),
		MessageID:      bare(g.get("original-message-id")), Errors: g["error"], Original: original(leaves),
	}
	_, r.Gateway = g.typed("mdn-gateway")
	mode, what, _ := strings.Cut(strings.ToLower(g.get("disposition")), ";")
	r.Action, r.Sending, _ = strings.Cut(strings.ReplaceAll(mode, " ", ""), "/")
	what, modifiers, _ := strings.Cut(what, "/")
	r.Disposition = strings.TrimSpace(what)
	for m := range strings.SplitSeq(modifiers, ",") {
		if m = strings.TrimSpace(m); m != "" {
			r.Modifiers = append(r.Modifiers, m)
		}
	}
	if r.Disposition == "" {
		return nil,
			errors.New("it has no disposition: expected a field like Disposition: manual-action/MDN-sent-manually; displayed (RFC 8098 §3.2.6)")
	}
	return r, nil
}

// onlyGroup returns the fields of a part that consists of one group.
func onlyGroup(leaves []leaf, types ...string) (fields, error) {
	text, err := find(leaves, types...).read(maxStatus)
	if err != nil {
		return nil, err
	}
	groups, err := parseGroups(text)
	if err != nil {
		return nil, err
	}
	all := fields{}
	for _, g := range groups { // some put empty lines between
		for name, values := range g {
			all[name] = append(all[name], values...)
		}
	}
	return all, nil
}

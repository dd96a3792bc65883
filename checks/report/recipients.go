package report

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// explained finds lines that begin with an address and the reasons behind them, which go to the next empty line. An
// address without anything that looks like a reason counts only when it stands alone on its line, and not when running
// text was wrapped before it.
func explained(text string) (all []Recipient) {
	var reason []string
	finish := func() {
		if n := len(all); n > 0 {
			all[n-1].explain(strings.Join(reason, " "))
		}
		reason = nil
	}
	within, apart := false, true // apart: no text runs on into the line
	for line := range strings.SplitSeq(text, "\n") {
		found := addressed.FindStringSubmatch(line)
		bare := strings.TrimSpace(line)
		switch {
		case found != nil && (found[2] == "" && (apart || strings.Contains(" \t<", line[:1])) || isReason(found[2])):
			finish()
			all = append(all, Recipient{Final: found[1]})
			within, apart = true, true
			if found[2] != "" {
				reason = append(reason, found[2])
			}
		case bare == "":
			within, apart = within && len(reason) == 0, true
		case isHeading(bare):
			apart = true
		default:
			if within {
				reason = append(reason, bare)
			}
			apart = strings.HasSuffix(bare, ":")
		}
		if len(all) > maxParts {
			break
		}
	}
	finish()
	return unique(all)
}

// isHeading reports whether a line only divides a text.
func isHeading(line string) bool {
	return strings.HasPrefix(line, "--") || strings.HasPrefix(line, "==")
}

// isReason reports whether what follows an address on its line tells what became of the mail: a code, a trouble, or
// when, as Exchange does.
func isReason(text string) bool {
	return text != "" && (replyCode.MatchString(text) || statusIn(text) != "" || exchangeTime.MatchString(text) ||
		containsAny(strings.ToLower(text), troubles))
}

// spokenOf finds the sentences of a kind that name recipients.
func spokenOf(text string, sentence *regexp.Regexp) (all []Recipient) {
	for _, at := range sentence.FindAllStringSubmatchIndex(text, maxParts) {
		r := Recipient{Final: text[at[2]:at[3]]}
		r.explain(reasonAround(text, at[2], at[3]))
		all = append(all, r)
	}
	return unique(all)
}

// reasonAround returns the reason that a text gives for an address in it: the rest of the line, or else of the
// paragraph, or else the next paragraph if it speaks of a trouble, or else the line itself.
func reasonAround(text string, start, end int) string {
	behind := strings.TrimLeft(text[end:], `"'>])}`)
	paragraph, after, _ := strings.Cut(behind, "\n\n")
	line, paragraph, _ := strings.Cut(paragraph, "\n")
	next, _, _ := strings.Cut(strings.TrimLeft(after, "\n"), "\n\n")
	own := text[strings.LastIndexByte(text[:start], '\n')+1:end] + line
	for _, reason := range []string{line, paragraph, next} {
		if strings.ContainsFunc(reason, unicode.IsLetter) && (reason != next || isReason(reason)) {
			return joined(strings.TrimLeft(reason, ". ,:;"))
		}
	}
	return joined(own)
}

// joined returns a text on one line.
func joined(text string) string { return strings.Join(strings.Fields(text), " ") }

// beneath finds addresses alone on the last line of a paragraph, beneath the reason.
func beneath(text string) (all []Recipient) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		lines := strings.Split(strings.TrimSpace(paragraph), "\n")
		last := len(lines) - 1
		found := addressed.FindStringSubmatch(lines[last])
		if found == nil || found[2] != "" || len(all) > maxParts {
			continue
		}
		r := Recipient{Final: found[1]}
		r.explain(strings.Join(lines[:last], " "))
		all = append(all, r)
	}
	return unique(all)
}

// mentioned returns all addresses in a text.
func mentioned(text string) (all []Recipient) {
	for _, found := range anyAddress.FindAllString(text, maxParts) {
		if _, domain, _ := strings.Cut(found, "@"); strings.Contains(domain, ".") {
			all = append(all, Recipient{Final: found})
		}
	}
	return unique(all)
}

// explain fills in what a text says about a recipient.
func (r *Recipient) explain(text string) {
	text = strings.TrimSpace(text)
	if reason, ok := strings.CutPrefix(text, "(reason: "); ok { // sendmail
		text = strings.TrimSuffix(reason, ")")
	}
	r.Diagnostic = text
	r.Code, r.Status = verdict(text)
	if r.Status == "" && r.Code >= 400 {
		r.Status = string("0123456789"[r.Code/100]) + ".0.0"
	}
}

// coded reports whether a reply is known of a recipient, or what stands for one.
func coded(r Recipient) bool { return r.Code >= 400 || r.Status != "" }

// unique keeps of each address the entry that says most.
func unique(all []Recipient) []Recipient {
	var kept []Recipient
	for _, r := range all {
		switch i := indexOf(kept, r.Final); {
		case i < 0:
			kept = append(kept, r)
		case kept[i].Code == 0 && r.Code != 0 || kept[i].Diagnostic == "":
			kept[i] = r
		}
	}
	return kept
}

// indexOf returns where an address is among recipients; -1: nowhere.
func indexOf(all []Recipient, address string) int {
	return slices.IndexFunc(all, func(r Recipient) bool { return strings.EqualFold(r.Final, address) })
}

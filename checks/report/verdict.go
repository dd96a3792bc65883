package report

import (
	"regexp"
	"slices"
	"strings"
)

// statusCode is an enhanced status code (RFC 3463, subjects 0 to 7), replyCode an SMTP reply code in front of a text.
var (
	statusCode = regexp.MustCompile(`\b[245]\.[0-7]\.\d{1,3}\b`)
	replyCode  = regexp.MustCompile(`\b([245][0-5]\d)(?:[ :-]|$)`)
	codeBefore = regexp.MustCompile(`\b([245][0-5]\d)[ :#(-]{1,3}$`)
)

// statusesIn returns where a text has enhanced status codes. Parts of IP addresses, and of longer versions, are none.
func statusesIn(text string) (all [][]int) {
	for _, at := range statusCode.FindAllStringIndex(text, maxParts) {
		before, after := text[:at[0]], text[at[1]:]
		if strings.HasSuffix(before, ".") || len(after) > 1 && after[0] == '.' && after[1] >= '0' && after[1] <= '9' {
			continue
		}
		all = append(all, at)
	}
	return all
}

// statusIn returns the enhanced status code of a text, or "": the first, unless it is vague and another is not.
func statusIn(text string) string {
	_, status := verdict(text)
	return status
}

// vague reports whether a status says next to nothing: x.0.0, or x.4.7, which only tells that time is up; a status that
// tells why delivery had failed until then is to be preferred (RFC 3463 §3.5).
func vague(status string) bool {
	return strings.HasSuffix(status, ".0.0") || strings.HasSuffix(status, ".4.7")
}

// verdict returns the reply code and the enhanced status code that a text quotes; they are of the same reply where it
// quotes several.
func verdict(text string) (code int, status string) {
	for _, at := range statusesIn(text) {
		s := text[at[0]:at[1]]
		if status != "" && (!vague(status) || vague(s)) {
			continue
		}
		status = s
		if found := codeBefore.FindStringSubmatch(text[:at[0]]); found != nil {
			code = number(found[1], 0)
		}
	}
	if code == 0 {
		code = codeOf(text)
	}
	return code, status
}

// codeOf returns the first reply code of a text.
func codeOf(text string) int {
	for _, form := range []*regexp.Regexp{replyCode, firmReply} {
		if found := form.FindStringSubmatch(text); found != nil {
			return number(found[1], 0)
		}
	}
	return 0
}

// maxReply is how many lines a reply may have.
const maxReply = 20

// replies are the lines of a text in which replies of servers begin.
type replies struct {
	lines []string
	sent  []int // of a transcript
	firm  []int // where a reply is announced
	any   []int
}

func findReplies(text string) replies {
	r := replies{lines: strings.Split(text, "\n")}
	for i, line := range r.lines {
		if !hasCode(line) || !anyReply.MatchString(line) && !firmReply.MatchString(line) {
			continue
		}
		r.any = append(r.any, i)
		if strings.HasPrefix(strings.TrimSpace(line), "<<<") {
			r.sent = append(r.sent, i)
		}
		if firmReply.MatchString(line) {
			r.firm = append(r.firm, i)
		}
	}
	return r
}

// hasCode reports whether a line has three digits that may be a negative reply code: patterns need a look at few lines
// only.
func hasCode(line string) bool {
	for i := 2; i < len(line); i++ {
		if c := line[i-2]; (c == '4' || c == '5') && line[i-1] >= '0' && line[i-1] <= '5' && line[i] >= '0' &&
			line[i] <= '9' {
			return true
		}
	}
	return false
}

// about returns the reply that concerns an address: that of a transcript, or one that names it, or the first; "" when
// there is none.
func (r *replies) about(address string) string {
	named := slices.IndexFunc(r.firm, func(i int) bool { return strings.Contains(r.lines[i], address) })
	switch {
	case len(r.sent) > 0:
		return r.from(r.sent[0])
	case named >= 0:
		return r.from(r.firm[named])
	case len(r.firm) > 0:
		return r.from(r.firm[0])
	case len(r.any) > 0:
		return r.from(r.any[0])
	}
	return ""
}

// from returns the reply that begins in a line. It ends with its paragraph, or where a command follows in a transcript.
func (r *replies) from(first int) string {
	var reply []string
	for i, line := range r.lines[first:min(first+maxReply, len(r.lines))] {
		line = strings.TrimSpace(line)
		if line == "" || i > 0 && (strings.HasPrefix(line, ">>>") || strings.HasPrefix(line, "...")) {
			break
		}
		reply = append(reply, line)
	}
	return strings.Join(reply, " ")
}

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

// vague reports whether a status says next to nothing: x.0.0, or x.4.7, which only tells that time is up; a status that tells why
// delivery had failed until then is to be preferred (RFC 3463 §3.5).
func vague(status string) bool {
	return strings.HasSuffix(status, ".0.0") || strings.HasSuffix(status, ".4.7")
}

// verdict returns the reply code and the enhanced status code that a text quotes; they are of the same reply where it quotes several.
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

// replyAbout returns the reply of a server that a text quotes: that of a transcript, or one that names an address, or the first.
func replyAbout(text, address string) string {
	lines := strings.Split(text, "\n")
	for _, fits := range []func(string) bool{
		func(line string) bool {
			return strings.HasPrefix(strings.TrimSpace(line), "<<<") && anyReply.MatchString(line)
		},
		func(line string) bool { return firmReply.MatchString(line) && strings.Contains(line, address) },
		firmReply.MatchString,
		anyReply.MatchString,
	} {
		if i := slices.IndexFunc(lines, fits); i >= 0 {
			return strings.Join(replyFrom(lines[i:]), " ")
		}
	}
	return ""
}

// replyFrom returns the lines of a reply, which ends with its paragraph or where a command follows in a transcript.
func replyFrom(lines []string) (reply []string) {
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || i > 0 && (strings.HasPrefix(line, ">>>") || strings.HasPrefix(line, "...")) || i == maxReply {
			break
		}
		reply = append(reply, line)
	}
	return reply
}

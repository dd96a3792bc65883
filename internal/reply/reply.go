// Package reply reads the replies of SMTP and LMTP servers (RFC 5321 §4.2): a code of three digits, an enhanced status
// code (RFC 2034) where there is one, and text of one or more lines.
//
// A [Reader] reads one reply after the other from a connection, in pieces as large as they come and with bounds on what
// a server can make it hold. Most replies are only looked at for their code; [Reader.Reply] makes a lasting [Reply] of
// the one just read, with text that is safe to log and to store.
package reply

import (
	"strings"
	"unicode/utf8"
)

// MaxText is the largest number of bytes of Reply.Text; what is longer is cut.
const MaxText = 2048

// Reply is a reply that may be kept. The zero value is no reply.
type Reply struct {
	// Code is 200 to 599.
	Code int
	// Status is the enhanced status code, "5.1.1"; "" when there is none or its class is not that of Code.
	Status string
	// Text is the whole reply as it was sent, codes included, lines joined by "\n". It is valid UTF-8 without other
	// control characters, of at most MaxText bytes.
	Text string
	// Description is Text without the codes, lines joined by a space.
	Description string
}

// Parse makes a Reply of the lines of a reply, separated by "\n" and each with its code. The code of the last line
// counts, should they differ. Lines without a code are taken as they are.
func Parse(raw []byte) Reply {
	r := Reply{Text: Clean(raw)}
	last := r.Text
	if i := strings.LastIndexByte(last, '\n'); i >= 0 {
		last = last[i+1:]
	}
	r.Code, _, _ = parseLine([]byte(last[:min(len(last), 4)]))
	first, rest, more := strings.Cut(r.Text, "\n")
	first = cutCode(first)
	if r.Status = statusOf(r.Code, cutCode(last)); r.Status == "" {
		r.Status = statusOf(r.Code, first)
	}
	first = cutStatus(first, r.Status)
	if !more {
		r.Description = first
		return r
	}
	r.Description = joinLines(first, rest, r.Status)
	return r
}

func joinLines(first, rest, status string) string {
	var b strings.Builder
	b.Grow(len(first) + len(rest) + 1)
	b.WriteString(first)
	for line := range strings.SplitSeq(rest, "\n") {
		line = cutStatus(cutCode(line), status)
		if line == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}
	return b.String()
}

// parseLine takes a reply line apart. A line of the code alone ends a reply, as RFC 5321 §4.2.1 asks clients to allow.
func parseLine(line []byte) (code int, more, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !digit(line[1]) || !digit(line[2]) {
		return 0, false, false
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, false, true
	}
	switch line[3] {
	case ' ':
		return code, false, true
	case '-':
		return code, true, true
	}
	return 0, false, false
}

// cutCode removes the code and its separator from a line.
func cutCode(line string) string {
	if len(line) < 3 || !digit(line[0]) || !digit(line[1]) || !digit(line[2]) {
		return line
	}
	if len(line) == 3 {
		return ""
	}
	if line[3] == ' ' || line[3] == '-' {
		return strings.TrimLeft(line[4:], " ")
	}
	return line
}

// statusOf returns the enhanced status code that text begins with (RFC 2034 §4), when its class fits the code.
func statusOf(code int, text string) string {
	if len(text) < 5 || text[1] != '.' || int(text[0]-'0') != code/100 {
		return ""
	}
	i := digits(text, 2)
	if i == 2 || i >= len(text) || text[i] != '.' {
		return ""
	}
	j := digits(text, i+1)
	if j == i+1 || j < len(text) && text[j] != ' ' {
		return ""
	}
	return text[:j]
}

// digits returns the index behind at most three digits at text[i:].
func digits(text string, i int) int {
	end := min(len(text), i+3)
	for i < end && digit(text[i]) {
		i++
	}
	return i
}

func cutStatus(line, status string) string {
	if status == "" || !strings.HasPrefix(line, status) {
		return line
	}
	rest := line[len(status):]
	if rest != "" && rest[0] != ' ' {
		return line
	}
	return strings.TrimLeft(rest, " ")
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// Clean makes text that can be stored and shown: bounded, valid UTF-8, no control characters but "\n".
func Clean(raw []byte) string {
	if len(raw) <= MaxText && plain(raw) {
		return string(raw)
	}
	var b strings.Builder
	b.Grow(min(len(raw), MaxText))
	for len(raw) > 0 {
		c, n := utf8.DecodeRune(raw)
		if c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 || c == 0x2028 || c == 0x2029 {
			c = ' '
		}
		if b.Len()+utf8.RuneLen(c) > MaxText {
			break
		}
		b.WriteRune(c)
		raw = raw[n:]
	}
	return b.String()
}

func plain(raw []byte) bool {
	for _, c := range raw {
		if (c < ' ' || c > '~') && c != '\n' {
			return false
		}
	}
	return true
}

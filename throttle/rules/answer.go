package rules

import (
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/pattern"
	"github.com/sluicemail/sluice/throttle"
)

// maxAnswer bounds how much of an answer is matched.
const maxAnswer = 8192

// answer is what a host said, as patterns are matched against it.
type answer struct {
	with, without string // the code
}

func newAnswer(o throttle.Outcome) answer {
	text := o.Text
	if len(text) > maxAnswer {
		text = text[:maxAnswer]
	}
	if o.Code == 0 {
		return answer{text, text}
	}
	code := strconv.Itoa(o.Code)
	if rest, ok := strings.CutPrefix(text, code); ok && (rest == "" || rest[0] == ' ' || rest[0] == '-') {
		return answer{text, strings.TrimLeft(rest, " -")}
	}
	return answer{code + " " + text, text}
}

func (a *answer) matches(p *pattern.Pattern) bool {
	return p.Match(a.with) || a.with != a.without && p.Match(a.without)
}

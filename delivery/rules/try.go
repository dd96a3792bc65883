package rules

import (
	"strconv"

	"github.com/sluicemail/sluice/delivery/receivers"
	"github.com/sluicemail/sluice/internal/pattern"
	replies "github.com/sluicemail/sluice/internal/reply"
	"github.com/sluicemail/sluice/queue"
)

// TryText reports whether a pattern of a type (exact, regex, fnmatch, substr) matches a text as it does in rules: case
// makes no difference.
func TryText(typ, text, with string) (bool, error) {
	t, err := pattern.ParseType(typ)
	if err != nil {
		return false, at("type", err)
	}
	p, err := pattern.Compile(t, text, true)
	if err != nil {
		return false, at("pattern", err)
	}
	return p.Match(with), nil
}

// TryReply reports whether a response pattern matches a reply with a code and text. Zero: the text begins with the
// code, or there is none. A pattern of a class matches what has it whoever replies so.
func TryReply(typ, text string, code int, said string) (bool, error) {
	r, err := compileResponse(&ResponsePattern{Type: typ, Pattern: text}, nil)
	if err != nil {
		return false, err
	}
	answer := newReply(code, said)
	class := queue.Class("")
	if r.class != "" {
		if _, coded := answer.coded(); !coded && code != 0 {
			said = strconv.Itoa(code) + " " + said
		}
		parsed := replies.Parse([]byte(said))
		class = receivers.Standard().Class(&queue.Result{State: queue.StateMessage, Result: queue.Error, Code: parsed.Code,
			Status: parsed.Status, Description: parsed.Description}, "")
	}
	return r.matches(&answer, class), nil
}

// TryCondition reports whether a condition holds for a message.
func TryCondition(r Condition, m *queue.Message) (bool, error) {
	c, err := compileCondition(&r)
	if err != nil {
		return false, err
	}
	return c.holds(&view{m: m}), nil
}

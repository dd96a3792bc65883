package rules

import (
	"errors"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/pattern"
	"github.com/sluicemail/sluice/queue"
)

// The functions Check… return what is wrong with one row, as Compile would say it, before it is stored. Which pools
// there are, and what other rows say, they do not know. An error is a [ColumnError] but for rows that miss more than a
// column.

// CheckPool checks a pool.
func CheckPool(r Pool) error {
	if every(strings.TrimSpace(r.Name)) {
		return wrong("name", " %q: expected the name of a pool", r.Name)
	}
	return nil
}

// CheckPoolIP checks a member of a pool.
func CheckPoolIP(r PoolIP) error {
	if every(strings.TrimSpace(r.Pool)) {
		return wrong("pool", " %q: expected the name of a pool", r.Pool)
	}
	_, err := needIP("ip", r.IP)
	return err
}

// CheckError checks a forced error.
func CheckError(r ForcedError) error {
	_, err := compileError(&r, nil)
	return err
}

// CheckPause checks a pause.
func CheckPause(r Pause) error {
	_, err := compilePause(&r, "", nil)
	return err
}

// CheckRedirect checks a redirect.
func CheckRedirect(r Redirect) error {
	_, err := compileRedirect(&r)
	return err
}

// CheckRewriteRule checks a rewrite rule, and the conditions and actions it has.
func CheckRewriteRule(r RewriteRule) error {
	_, err := compileTrigger(&r, nil)
	for _, c := range r.Conditions {
		err = errors.Join(err, CheckCondition(c))
	}
	for _, a := range r.Actions {
		err = errors.Join(err, CheckRewriteAction(a))
	}
	return err
}

// CheckCondition checks a condition of a rewrite rule.
func CheckCondition(r Condition) error {
	_, err := compileCondition(&r)
	return err
}

// CheckRewriteAction checks an action of a rewrite rule.
func CheckRewriteAction(r Action) error {
	_, err := compileAction(&r, false, nil)
	return err
}

// CheckResponsePattern checks a response pattern, and the actions it has.
func CheckResponsePattern(r ResponsePattern) error {
	_, err := compileResponse(&r, nil)
	for _, a := range r.Actions {
		err = errors.Join(err, CheckResponseAction(a))
	}
	return err
}

// CheckResponseAction checks an action of a response pattern.
func CheckResponseAction(r Action) error {
	_, err := compileAction(&r, true, nil)
	return err
}

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
// code, or there is none.
func TryReply(typ, text string, code int, said string) (bool, error) {
	r, err := compileResponse(&ResponsePattern{Type: typ, Pattern: text}, nil)
	if err != nil {
		return false, err
	}
	answer := newReply(code, said)
	return answer.matches(r.text), nil
}

// TryDomain reports whether a column domain selects a domain.
func TryDomain(column, domain string) (bool, error) {
	s, err := compileSelector(columns{domain: column}, nil)
	if err != nil {
		return false, err
	}
	return s.selects(&query{}, addr.Fold(domain)), nil
}

// TryCondition reports whether a condition holds for a message.
func TryCondition(r Condition, m *queue.Message) (bool, error) {
	c, err := compileCondition(&r)
	if err != nil {
		return false, err
	}
	return c.holds(&view{m: m}), nil
}

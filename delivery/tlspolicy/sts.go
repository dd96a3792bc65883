package tlspolicy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/txtrecord"
)

// Mode says what a policy asks of senders (RFC 8461 §5).
type mode string

const (
	modeEnforce mode = "enforce"
	modeTesting mode = "testing"
	modeNone    mode = "none"
)

const (
	maxAge      = 31557600 * time.Second // RFC 8461 §3.2
	maxPatterns = 100
)

// policy is the text of a policy.
type policy struct {
	Mode     mode          `json:"mode"`
	Patterns []string      `json:"mx,omitempty"`
	MaxAge   time.Duration `json:"max_age"`
}

// parseRecord returns the id of a policy from the texts at _mta-sts.DOMAIN; "" when there is not exactly one record
// that makes sense (RFC 8461 §3.1).
func parseRecord(texts []string) (id string) {
	ids := txtrecord.Values(texts, "v=STSv1", "id")
	if len(ids) == 0 || len(ids[0]) > 32 || strings.ContainsFunc(ids[0], notAlphanumeric) {
		return ""
	}
	return ids[0]
}

func notAlphanumeric(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// parsePolicy reads the text of a policy (RFC 8461 §3.2). Fields that are not known are passed over, and of a field
// that may occur once the first counts.
func parsePolicy(text []byte) (*policy, error) {
	p, err := readPolicy(text)
	if err != nil {
		return nil, &syntaxError{err}
	}
	return p, nil
}

// syntaxError is what is wrong with the text of a policy.
type syntaxError struct{ error }

func readPolicy(text []byte) (*policy, error) {
	p, seen := &policy{}, map[string]bool{}
	for n, line := range bytes.Split(text, []byte("\n")) {
		line := strings.TrimRight(string(line), "\r \t")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("line %d: expected \"name: value\"", n+1)
		}
		if seen[name] && name != "mx" {
			continue
		}
		seen[name] = true
		if err := p.set(name, strings.TrimSpace(value)); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	switch {
	case !seen["version"]:
		return nil, errors.New("expected a line \"version: STSv1\"")
	case p.Mode == "":
		return nil, errors.New("expected a line \"mode: enforce\", testing or none")
	case !seen["max_age"]:
		return nil, errors.New("expected a line \"max_age: SECONDS\"")
	case p.Mode != modeNone && len(p.Patterns) == 0:
		return nil, errors.New("expected at least one line \"mx: HOST\"")
	}
	return p, nil
}

func (p *policy) set(name, value string) error {
	switch name {
	case "version":
		if value != "STSv1" {
			return fmt.Errorf("version: expected STSv1, got %.20q", value)
		}
	case "mode":
		if p.Mode = mode(value); p.Mode != modeEnforce && p.Mode != modeTesting && p.Mode != modeNone {
			return fmt.Errorf("mode: expected enforce, testing or none, got %.20q", value)
		}
	case "max_age":
		seconds, err := strconv.ParseUint(value, 10, 63)
		if err != nil || len(value) > 10 {
			return fmt.Errorf("max_age: expected a number of seconds of up to ten digits, got %.20q", value)
		}
		p.MaxAge = time.Duration(min(seconds, uint64(maxAge/time.Second))) * time.Second
	case "mx":
		pattern := strings.TrimSuffix(strings.ToLower(value), ".")
		if !validPattern(pattern) {
			return fmt.Errorf("mx: expected a host name, or one after \"*.\", got %.300q", value)
		}
		if len(p.Patterns) == maxPatterns {
			return fmt.Errorf("mx: more than %d", maxPatterns)
		}
		p.Patterns = append(p.Patterns, pattern)
	}
	return nil
}

func validPattern(pattern string) bool {
	name := strings.TrimPrefix(pattern, "*.")
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.ContainsFunc(label,
			func(r rune) bool { return r != '-' && r != '_' && notAlphanumeric(r) }) {
			return false
		}
	}
	return true
}

// allows reports whether a host may be an MX host under patterns (RFC 8461 §4.1). Both are in lower case.
func allows(patterns []string, host string) bool {
	_, parent, _ := strings.Cut(host, ".")
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if suffix, ok := strings.CutPrefix(pattern, "*."); ok {
			return suffix == parent
		}
		return pattern == host
	})
}

// lines are those of the policy's text that mean something.
func (p *policy) lines() []string {
	lines := []string{"version: STSv1", "mode: " + string(p.Mode)}
	for _, pattern := range p.Patterns {
		lines = append(lines, "mx: "+pattern)
	}
	return append(lines, "max_age: "+strconv.FormatInt(int64(p.MaxAge/time.Second), 10))
}

// key is the same for policies that demand the same of hosts.
func (p *policy) key() string {
	patterns := slices.Clone(p.Patterns)
	slices.Sort(patterns)
	return strings.Join(slices.Compact(patterns), " ")
}

package addr

import "strings"

// ParsePath reads the path that s begins with: an address in angle brackets, without brackets too when mode is not
// Strict. A source route in front of the address is dropped (RFC 5321 §4.1.1.3). It returns the address, "" for <>,
// without judging it, and what follows: nothing, or text that begins with a space.
func ParsePath(s string, mode Mode) (address, rest string, err error) {
	if !strings.HasPrefix(s, "<") {
		return bare(s, mode)
	}
	s = s[1:]
	if strings.HasPrefix(s, "@") {
		s = dropRoute(s)
	}
	quoted := 0
	if strings.HasPrefix(s, `"`) {
		if quoted = quotedLen(s); quoted == 0 {
			return "", "", ErrQuotedString
		}
	}
	end := strings.IndexByte(s[quoted:], '>')
	if end < 0 {
		return "", "", ErrUnclosed
	}
	end += quoted
	address, rest = s[:end], s[end+1:]
	if rest != "" && rest[0] != ' ' {
		return "", "", ErrAfterPath
	}
	return address, rest, nil
}

// bare reads an address without brackets.
func bare(s string, mode Mode) (address, rest string, err error) {
	if mode&Strict != 0 || s == "" {
		return "", "", ErrPath
	}
	quoted := 0
	if s[0] == '"' {
		if quoted = quotedLen(s); quoted == 0 {
			return "", "", ErrQuotedString
		}
	}
	end := strings.IndexByte(s[quoted:], ' ')
	if end < 0 {
		return s, "", nil
	}
	end += quoted
	if end == 0 {
		return "", "", ErrPath
	}
	return s[:end], s[end:], nil
}

// dropRoute removes "@one,@two:" from the front of a path.
func dropRoute(s string) string {
	end := strings.IndexByte(s, '>')
	colon := strings.IndexByte(s, ':')
	if colon < 0 || end < 0 || colon > end {
		return s
	}
	for hop := range strings.SplitSeq(s[:colon], ",") {
		if !strings.HasPrefix(hop, "@") || !ValidDomain(hop[1:], UTF8) {
			return s
		}
	}
	return s[colon+1:]
}

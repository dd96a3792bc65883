package auth

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// unescape decodes each % that two hexadecimal digits follow. Any other % stands for itself, as operators write it.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if high, low := hex(s[i+1]), hex(s[i+2]); high >= 0 && low >= 0 {
				b = append(b, byte(high<<4|low))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// hex returns the value of a hexadecimal digit, and -1 for anything else.
func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// parameters reads name=value&name=value. Each name may come once and must be known.
func parameters(text string, known map[string]func(value string) error) error {
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name = unescape(name)
		set := known[name]
		if set == nil {
			return fmt.Errorf("unknown parameter %.40q, expected is %s", name, strings.Join(slices.Sorted(maps.Keys(known)), " or "))
		}
		if seen[name] {
			return fmt.Errorf("parameter %s is given twice", name)
		}
		seen[name] = true
		if err := set(unescape(value)); err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	return nil
}

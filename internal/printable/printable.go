// Package printable makes texts from outside fit to be shown.
package printable

import "strings"

// Text returns at most the first most bytes of s, with an ellipsis when there were more, and a question mark for
// everything that is not printable ASCII.
func Text(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
}

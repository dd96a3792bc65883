// Package nearest finds what a mistyped name was meant to be.
package nearest

import "strings"

const longestName = 64

// Of returns the name that s was probably meant to be, "" when none comes near.
func Of(s string, names []string) string {
	if s == "" || len(s) > longestName {
		return ""
	}
	s = strings.ReplaceAll(strings.ToLower(s), "_", "-")
	best, least := "", max(2, len(s)/4)+1
	for _, name := range names {
		d := distance(s, name)
		if d < least {
			best, least = name, d
		}
	}
	if best != "" && least == 1 {
		return best
	}
	for _, name := range names {
		if len(s) >= 6 && strings.HasPrefix(name, s) {
			return name // smtp-cert is cut short rather than mistyped
		}
	}
	return best
}

// Typo returns the name that is one slip of the finger from s, which may well be meant as it stands; "" when none is.
func Typo(s string, names []string) string {
	for _, name := range names {
		if len(s) <= longestName && distance(strings.ToLower(s), name) == 1 {
			return name
		}
	}
	return ""
}

// distance counts the letters to insert, delete, replace or swap with a neighbour to make a out of b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

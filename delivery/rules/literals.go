package rules

import (
	"regexp/syntax"

	"github.com/sluicemail/sluice/internal/pattern"
)

// maxBranches bounds the texts of which one is required.
const maxBranches = 16

// literals returns canonical texts of which at least one is part of every text that a pattern matches; nil: there are none.
func literals(typ pattern.Type, text string) []string {
	switch typ {
	case pattern.Exact, pattern.Substring:
		return []string{canonical(text)}
	case pattern.Wildcard:
		return wildcardLiterals(text)
	case pattern.Regex:
		if re, err := syntax.Parse(text, syntax.Perl); err == nil {
			return regexLiterals(re)
		}
	}
	return nil
}

// wildcardLiterals returns the longest run of characters of a pattern that stand for themselves.
func wildcardLiterals(text string) []string {
	best, run := "", ""
	end := func() {
		if len(run) > len(best) {
			best = run
		}
		run = ""
	}
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; c {
		case '*', '?':
			end()
		case '[':
			end()
			i = setEnd(runes, i+1)
		case '\\':
			if i++; i < len(runes) {
				run += string(runes[i])
			}
		default:
			run += string(c)
		}
	}
	if end(); best == "" {
		return nil
	}
	return []string{canonical(best)}
}

// setEnd returns where the ] of a set is whose inside begins at i.
func setEnd(runes []rune, i int) int {
	if i < len(runes) && (runes[i] == '!' || runes[i] == '^') {
		i++
	}
	for first := true; i < len(runes); first = false {
		switch {
		case runes[i] == ']' && !first:
			return i
		case runes[i] == '\\':
			i++
		}
		i++
	}
	return i
}

// regexLiterals returns texts of which one is required by an expression; nil: none is known.
func regexLiterals(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{canonical(string(re.Rune))}
	case syntax.OpCapture, syntax.OpPlus:
		return regexLiterals(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return regexLiterals(re.Sub[0])
		}
	case syntax.OpConcat:
		return concatLiterals(re.Sub)
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			l := regexLiterals(sub)
			if l == nil || len(all)+len(l) > maxBranches {
				return nil
			}
			all = append(all, l...)
		}
		return all
	}
	return nil
}

// concatLiterals returns the best of what the parts of an expression require: the one whose shortest text is longest.
func concatLiterals(parts []*syntax.Regexp) (best []string) {
	for _, sub := range parts {
		if l := regexLiterals(sub); shortest(l) > shortest(best) {
			best = l
		}
	}
	return best
}

func shortest(texts []string) int {
	n := 0
	for i, t := range texts {
		if i == 0 || len(t) < n {
			n = len(t)
		}
	}
	return n
}

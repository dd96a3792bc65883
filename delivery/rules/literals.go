package rules

import (
	"regexp/syntax"
	"slices"

	"github.com/sluicemail/sluice/internal/grams"
	"github.com/sluicemail/sluice/internal/pattern"
)

// maxBranches bounds the texts of which one is required.
const maxBranches = 16

// branch is of canonical texts.
type branch = grams.Branch

// literals returns the branches of a pattern, of which at least one is taken by every text that matches; nil: nothing
// is known of what has to occur.
func literals(typ pattern.Type, text string) []branch {
	switch typ {
	case pattern.Exact, pattern.Substring:
		return []branch{{canonical(text)}}
	case pattern.Wildcard:
		return wildcardLiterals(text)
	case pattern.Regex:
		if re, err := syntax.Parse(text, syntax.Perl); err == nil {
			return regexLiterals(re)
		}
	}
	return nil
}

// wildcardLiterals returns the runs of characters of a pattern that stand for themselves.
func wildcardLiterals(text string) []branch {
	var all branch
	run := ""
	end := func() {
		if run != "" {
			all = append(all, canonical(run))
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
	if end(); all == nil {
		return nil
	}
	return []branch{all}
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

// regexLiterals returns the branches of an expression.
func regexLiterals(re *syntax.Regexp) []branch {
	switch re.Op {
	case syntax.OpLiteral:
		return []branch{{canonical(string(re.Rune))}}
	case syntax.OpCapture, syntax.OpPlus:
		return regexLiterals(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return regexLiterals(re.Sub[0])
		}
	case syntax.OpConcat:
		return concatLiterals(re.Sub)
	case syntax.OpAlternate:
		var all []branch
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

// concatLiterals puts what all parts of an expression require into each branch of the part with the fewest.
func concatLiterals(parts []*syntax.Regexp) []branch {
	var always branch
	var ways []branch
	for _, sub := range parts {
		switch l := regexLiterals(sub); {
		case len(l) == 1:
			always = append(always, l[0]...)
		case len(l) > 1 && (ways == nil || len(l) < len(ways)):
			ways = l
		}
	}
	if ways == nil {
		if always == nil {
			return nil
		}
		return []branch{always}
	}
	all := make([]branch, len(ways))
	for i, w := range ways {
		all[i] = slices.Concat(w, always)
	}
	return all
}

// possible reports whether a canonical text has all that one of the branches requires.
func possible(branches []branch, text []byte) bool {
	for _, b := range branches {
		if b.In(text) {
			return true
		}
	}
	return branches == nil
}

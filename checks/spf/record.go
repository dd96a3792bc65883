package spf

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// isPolicy reports whether a text is an SPF record: it begins with the version, alone or before a space (§4.5).
func isPolicy(text string) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && strings.EqualFold(text[:len(version)], version) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

// checkRecord checks every term of a record against the grammar of §12.
func checkRecord(record string) error {
	if len(record) > maxRecord {
		return fmt.Errorf("%d octets: more than %d", len(record), maxRecord)
	}
	if n := strings.Count(record, "%"); n > maxMacros {
		return fmt.Errorf("%d macros: more than %d", n, maxMacros)
	}
	var redirects, explanations int
	for term := range strings.SplitSeq(record[len("v=spf1"):], " ") {
		if term == "" {
			continue
		}
		name, value, modifier := splitModifier(term)
		var err error
		switch {
		case !modifier:
			err = checkDirective(term)
		case name == "redirect":
			redirects++
			err = checkDomainSpec(value)
		case name == "exp":
			explanations++
			err = checkDomainSpec(value)
		default:
			_, err = checkMacros(value, "slodiphvcrt")
		}
		if err != nil {
			return fmt.Errorf("%q: %w", cut(term), err)
		}
	}
	if redirects > 1 || explanations > 1 {
		return errors.New("redirect or exp twice")
	}
	return nil
}

// cut shortens a term for a message.
func cut(term string) string {
	if len(term) > 60 {
		return term[:57] + "..."
	}
	return term
}

// splitModifier takes "name=value" apart. The name is returned in lower case.
func splitModifier(term string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(term, "=")
	if !ok || name == "" || !isLetter(name[0]) {
		return "", "", false
	}
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '_' && c != '.' {
			return "", "", false
		}
	}
	return strings.ToLower(name), value, true
}

// checkDirective checks a mechanism with its qualifier.
func checkDirective(term string) error {
	if strings.IndexByte("+-?~", term[0]) >= 0 {
		term = term[1:]
	}
	end := strings.IndexAny(term, ":/")
	if end < 0 {
		end = len(term)
	}
	name, rest := strings.ToLower(term[:end]), term[end:]
	value, hasValue := strings.CutPrefix(rest, ":")
	switch name {
	case "all":
		if rest != "" {
			return errors.New("all takes nothing")
		}
		return nil
	case "include", "exists":
		if !hasValue {
			return errors.New("needs a domain")
		}
		return checkDomainSpec(value)
	case "ptr":
		if rest == "" {
			return nil
		}
		if !hasValue {
			return errors.New("takes a domain only")
		}
		return checkDomainSpec(value)
	case "a", "mx":
		return checkHost(rest)
	case "ip4", "ip6":
		if !hasValue {
			return errors.New("needs an address")
		}
		return checkNetwork(name, value)
	}
	return errors.New("unknown mechanism")
}

// checkHost checks what follows a or mx: [":" domain-spec] [dual-cidr-length].
func checkHost(rest string) error {
	domain, lengths := cutLengths(rest)
	if domain != "" && domain[0] != ':' {
		return errors.New("bad prefix length")
	}
	if domain != "" {
		if err := checkDomainSpec(domain[1:]); err != nil {
			return err
		}
	}
	v4, v6, both := strings.Cut(lengths, "//")
	if v4 != "" && !isLength(strings.TrimPrefix(v4, "/"), 32) || both && !isLength(v6, 128) {
		return errors.New("bad prefix length")
	}
	return nil
}

// cutLengths cuts the prefix lengths off what follows a or mx: "/" and digits, "//" and digits, or both, at its very
// end. Any other slash belongs to the domain (§7.1), in which a literal may have one.
func cutLengths(s string) (domain, lengths string) {
	end := len(s)
	if rest, ok := strings.CutSuffix(trimDigits(s), "//"); ok && len(trimDigits(s)) < len(s) {
		end = len(rest)
	}
	if head := s[:end]; len(trimDigits(head)) < end {
		if rest, ok := strings.CutSuffix(trimDigits(head), "/"); ok {
			end = len(rest)
		}
	}
	return s[:end], s[end:]
}

func trimDigits(s string) string { return strings.TrimRight(s, "0123456789") }

// isLength reports whether s is a prefix length: a number up to max without leading zeros.
func isLength(s string, max int) bool {
	if s == "" || len(s) > 3 || len(s) > 1 && s[0] == '0' || !isDigit(s[0]) {
		return false
	}
	n, err := strconv.Atoi(s)
	return err == nil && n <= max
}

func checkNetwork(mechanism, value string) error {
	text, length, sized := strings.Cut(value, "/")
	addr, err := netip.ParseAddr(text)
	bits := 32
	if mechanism == "ip6" {
		bits = 128
	}
	switch {
	case err != nil || addr.BitLen() != bits || addr.Zone() != "":
		return errors.New("not an address of this kind")
	case sized && !isLength(length, bits):
		return errors.New("bad prefix length")
	}
	return nil
}

// checkDomainSpec checks a domain that may contain macros: it ends in a macro or in a label that can be a top-level
// domain.
func checkDomainSpec(spec string) error {
	tail, err := checkMacros(spec, "slodiphv")
	if err != nil {
		return err
	}
	if spec == "" {
		return errors.New("needs a domain")
	}
	if tail == "" {
		return nil // a macro stands last
	}
	tail = strings.TrimSuffix(tail, ".")
	dot := strings.LastIndexByte(tail, '.')
	if dot < 0 || !isTopLabel(tail[dot+1:]) {
		return errors.New("not a domain")
	}
	return nil
}

// isTopLabel reports whether a label has letters, digits and inner hyphens, and not digits alone.
func isTopLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	numeric := true
	for i := range len(label) {
		c := label[i]
		if !isLetter(c) && !isDigit(c) && c != '-' {
			return false
		}
		numeric = numeric && isDigit(c)
	}
	return !numeric
}

// checkMacros checks a macro-string with these letters, and returns what follows its last macro.
func checkMacros(s, letters string) (tail string, err error) {
	start := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '!' || s[i] > '~' {
			return "", errors.New("not printable ASCII")
		}
		if s[i] != '%' {
			continue
		}
		length := macroLength(s[i:], letters)
		if length == 0 {
			return "", errors.New("bad macro")
		}
		i += length - 1
		start = i + 1
	}
	return s[start:], nil
}

// macroLength returns how long the macro is that s begins with, 0 when it is none: %%, %_, %- or
// "%{" letter *DIGIT ["r"] *delimiter "}" (§7.1).
func macroLength(s, letters string) int {
	if len(s) < 2 {
		return 0
	}
	if strings.IndexByte("%_-", s[1]) >= 0 {
		return 2
	}
	if s[1] != '{' || len(s) < 4 || strings.IndexByte(letters, s[2]|0x20) < 0 || !isLetter(s[2]) {
		return 0
	}
	i := 3
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if digits := s[3:i]; digits != "" && (len(digits) > 3 || strings.Trim(digits, "0") == "") {
		return 0 // a count of zero, or of more than a name can have
	}
	if i < len(s) && s[i]|0x20 == 'r' {
		i++
	}
	for i < len(s) && strings.IndexByte(".-+,/_=", s[i]) >= 0 {
		i++
	}
	if i >= len(s) || s[i] != '}' {
		return 0
	}
	return i + 1
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

package smtpin

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// decodeXtext decodes xtext (RFC 3461 §4): ASCII in which +HH stands for a character.
func decodeXtext(s string) (string, bool) {
	if !printable(s) || strings.ContainsAny(s, " =") {
		return "", false
	}
	if strings.IndexByte(s, '+') < 0 {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '+' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := upperHex(s[i+1]), upperHex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		out = append(out, byte(hi<<4|lo))
		i += 2
	}
	return string(out), utf8.Valid(out)
}

// upperHex returns the value of a hexadecimal digit; xtext has upper case only.
func upperHex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// decodeUTF8Xtext decodes utf-8-addr-xtext and utf-8-addr-unitext (RFC 6533 §3): \x{HEX} stands for a character.
func decodeUTF8Xtext(s string) (string, bool) {
	if !utf8.ValidString(s) {
		return "", false
	}
	var out strings.Builder
	for s != "" {
		if !strings.HasPrefix(s, `\x{`) {
			c, n := utf8.DecodeRuneInString(s)
			if c <= ' ' || c == 0x7f || strings.ContainsRune(`\+=`, c) {
				return "", false
			}
			out.WriteString(s[:n])
			s = s[n:]
			continue
		}
		hex, rest, ok := strings.Cut(s[3:], "}")
		point, err := strconv.ParseUint(hex, 16, 32)
		if !ok || err != nil || len(hex) < 2 || len(hex) > 6 || hex != strings.ToUpper(hex) || !utf8.ValidRune(rune(point)) ||
			point < ' ' || point == 0x7f {
			return "", false
		}
		out.WriteRune(rune(point))
		s = rest
	}
	return out.String(), true
}

// printable reports whether s is printable ASCII.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

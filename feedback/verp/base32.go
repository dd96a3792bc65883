package verp

// alphabet is that of base32hex (RFC 4648 §7) in lower case.
const alphabet = "0123456789abcdefghijklmnopqrstuv"

// digits is how many digits n bytes take.
func digits(n int) int { return (8*n + 4) / 5 }

// value returns the value of a digit in either case; -1: it is none.
func value(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'v':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'V':
		return int(c-'A') + 10
	}
	return -1
}

// inAlphabet reports whether a byte could be taken for one of a token.
func inAlphabet(c byte) bool { return value(c) >= 0 }

// run returns how many digits a text begins with.
func run(s string) int {
	for i := range len(s) {
		if !inAlphabet(s[i]) {
			return i
		}
	}
	return len(s)
}

// appendDigits appends the digits of some bytes.
func appendDigits(dst, data []byte) []byte {
	var bits uint
	n := 0
	for _, b := range data {
		bits, n = bits<<8|uint(b), n+8
		for n >= 5 {
			n -= 5
			dst = append(dst, alphabet[bits>>n&31])
		}
	}
	if n > 0 {
		dst = append(dst, alphabet[bits<<(5-n)&31])
	}
	return dst
}

// appendBytes appends the bytes of digits. ok is false when they are not what appendDigits writes, but for their case.
func appendBytes(dst []byte, text string) (data []byte, ok bool) {
	var bits uint
	n := 0
	for i := range len(text) {
		v := value(text[i])
		if v < 0 {
			return dst, false
		}
		if bits, n = bits<<5|uint(v), n+5; n >= 8 {
			n -= 8
			dst = append(dst, byte(bits>>n))
		}
	}
	return dst, n < 5 && bits&(1<<n-1) == 0
}

package addr

import "fmt"

// AppendEmbedded appends an address of the type utf-8 in ASCII: "\x{HEX}" stands for what would not be read as itself
// (utf-8-addr-xtext of RFC 6533 §3). What is no UTF-8 becomes U+FFFD.
func AppendEmbedded(dst []byte, address string) []byte {
	for _, c := range address {
		if c > ' ' && c <= '~' && c != '+' && c != '=' && c != '\\' {
			dst = append(dst, byte(c))
		} else {
			dst = fmt.Appendf(dst, `\x{%02X}`, c)
		}
	}
	return dst
}

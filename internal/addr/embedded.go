package addr

// AppendEmbedded appends an address of the type utf-8 in ASCII: "\x{HEX}" stands for what would not be read as itself
// (utf-8-addr-xtext of RFC 6533 §3). What is no UTF-8 becomes U+FFFD.
func AppendEmbedded(dst []byte, address string) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range address {
		if c > ' ' && c <= '~' && c != '+' && c != '=' && c != '\\' {
			dst = append(dst, byte(c))
			continue
		}
		dst = append(dst, `\x{`...)
		digits := 2
		for digits < 6 && c>>(4*digits) != 0 {
			digits++
		}
		for digits--; digits >= 0; digits-- {
			dst = append(dst, hex[c>>(4*digits)&15])
		}
		dst = append(dst, '}')
	}
	return dst
}

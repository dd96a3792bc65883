package receivers

// maxText is how much of a reply is looked at, in bytes.
const maxText = 2048

// appendPlain appends a text as rules compare it: ASCII letters are small, blanks and control characters, one or more,
// are one blank, and there is one at each end. At most maxText bytes of it are looked at.
func appendPlain(dst []byte, text string) []byte {
	text = text[:min(len(text), maxText)]
	n := len(dst)
	dst = append(dst, ' ')
	dst = append(dst, text...)
	dst = append(dst, ' ')
	for _, c := range dst[n+1:] {
		switch {
		case c <= ' ' || c == 0x7f:
			if dst[n] == ' ' {
				continue
			}
			c = ' '
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		n++
		dst[n] = c
	}
	return dst[:n+1]
}

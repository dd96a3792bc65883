package verp

import (
	"crypto/sha256"
	"strconv"
	"strings"
)

// form says how a token has the id of its message.
type form byte

const (
	packed form = iota // a server number below 256, and five bits a digit of what is behind the dash
	plain              // as it is
	digest             // the first bytes of its SHA-256
)

const digestSize = 8

// appendID appends the id of a message in room bytes, of which there are at least as many as a digest takes.
func appendID(dst []byte, id string, room int) ([]byte, form) {
	if b, ok := appendPacked(dst, id); ok && len(b)-len(dst) <= room {
		return b, packed
	}
	if id != "" && len(id) <= room {
		return append(dst, id...), plain
	}
	sum := sha256.Sum256([]byte(id))
	return append(dst, sum[:digestSize]...), digest
}

// appendPacked packs an id like "1-0f3k9t2m8q4r7abc". A one and zeros end it, so that the number of digits is known.
func appendPacked(dst []byte, id string) ([]byte, bool) {
	dash := strings.IndexByte(id, '-')
	if dash <= 0 || dash > 3 || id[0] == '0' && dash > 1 {
		return dst, false
	}
	server := 0
	for _, c := range []byte(id[:dash]) {
		if c < '0' || c > '9' {
			return dst, false
		}
		server = 10*server + int(c-'0')
	}
	if server > 255 {
		return dst, false
	}
	dst = append(dst, byte(server))
	var bits uint
	n := 0
	for _, c := range []byte(id[dash+1:]) {
		v := value(c)
		if v < 0 || c >= 'A' && c <= 'Z' {
			return dst, false
		}
		if bits, n = bits<<5|uint(v), n+5; n >= 8 {
			n -= 8
			dst = append(dst, byte(bits>>n))
		}
	}
	return append(dst, byte((bits<<1|1)<<(7-n))), true
}

// unpack returns the id that was packed.
func unpack(data []byte) (string, bool) {
	if len(data) < 2 || data[len(data)-1] == 0 {
		return "", false
	}
	dst := strconv.AppendUint(make([]byte, 0, 48), uint64(data[0]), 10)
	dst = append(dst, '-')
	total := 8 * (len(data) - 1)
	for last := data[len(data)-1]; last&1 == 0; last >>= 1 {
		total--
	}
	total-- // the one that ends it
	if total%5 != 0 {
		return "", false
	}
	var bits uint
	n := 0
	for _, b := range data[1:] {
		bits, n = bits<<8|uint(b), n+8
		for n >= 5 && total > 0 {
			n, total = n-5, total-5
			dst = append(dst, alphabet[bits>>n&31])
		}
	}
	return string(dst), true
}

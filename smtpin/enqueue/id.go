package enqueue

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"sync/atomic"
	"time"
)

// Ids look like "1-0f3k9x2m8q4r7abc": the server's number, a dash, when the generator was made (microseconds, 10 digits
// of 5 bits), 4 random digits, and a count that grows by one with each id, as short as it can be.
//
// Servers differ by their number, restarts by the time, generators made within one microsecond or after a clock that
// was set back by the random digits, and messages by the count. The digits before the count are always as many, so no
// two ids read alike. Making one is an atomic addition: no lock, no system call.
type idMaker struct {
	prefix string
	count  atomic.Uint64
}

// idDigits are those of base32hex (RFC 4648 §7) in lower case, which sort like the numbers they stand for.
const idDigits = "0123456789abcdefghijklmnopqrstuv"

// idEpoch is where the time in ids begins, 2020-01-01, in Unix microseconds. 50 bits from there end in 2055.
const idEpoch = 1_577_836_800_000_000

func newIDMaker(server uint, now time.Time) *idMaker {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand stops the program instead
	p := strconv.AppendUint(nil, uint64(server), 10)
	p = append(p, '-')
	p = appendDigits(p, uint64(now.UnixMicro()-idEpoch), 10)
	p = appendDigits(p, uint64(binary.NativeEndian.Uint32(random[:])), 4)
	return &idMaker{prefix: string(p)}
}

// appendDigits appends the lowest n digits of v.
func appendDigits(dst []byte, v uint64, n int) []byte {
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, idDigits[v>>(5*i)&31])
	}
	return dst
}

// reserve takes n ids and returns the count of the first.
func (m *idMaker) reserve(n int) uint64 { return m.count.Add(uint64(n)) - uint64(n) }

// maxIDLen is the length of the longest possible id: 20 digits, dash, 14 and 13 digits.
const maxIDLen = 48

// appendID appends the id with this count.
func (m *idMaker) appendID(dst []byte, count uint64) []byte {
	dst = append(dst, m.prefix...)
	n := 1
	for v := count >> 5; v > 0; v >>= 5 {
		n++
	}
	return appendDigits(dst, count, n)
}

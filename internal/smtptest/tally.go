package smtptest

import "sync/atomic"

// Tally notes which numbers have come, from any goroutine, without locks. The zero Tally is empty. It needs one bit for
// each number up to the highest, in pieces of 128 KiB.
type Tally struct {
	pieces     [tallyPieces]atomic.Pointer[tallyPiece]
	distinct   atomic.Int64
	duplicates atomic.Int64
}

const (
	tallyPieces = 1 << 10
	tallyBits   = 1 << 20

	// maxNumber is the highest number that a Tally can note.
	maxNumber = tallyPieces*tallyBits - 1
)

type tallyPiece [tallyBits / 64]atomic.Uint64

// Note notes n and reports whether it came for the first time. A number that is negative or above maxNumber is not
// noted and counts as new.
func (t *Tally) Note(n int64) (first bool) {
	if n < 0 || n > maxNumber {
		t.distinct.Add(1)
		return true
	}
	piece := t.piece(n)
	bit := uint64(1) << (n % 64)
	if piece[n%tallyBits/64].Or(bit)&bit != 0 {
		t.duplicates.Add(1)
		return false
	}
	t.distinct.Add(1)
	return true
}

func (t *Tally) piece(n int64) *tallyPiece {
	slot := &t.pieces[n/tallyBits]
	if p := slot.Load(); p != nil {
		return p
	}
	slot.CompareAndSwap(nil, new(tallyPiece))
	return slot.Load()
}

// Has reports whether n was noted.
func (t *Tally) Has(n int64) bool {
	if n < 0 || n > maxNumber {
		return false
	}
	p := t.pieces[n/tallyBits].Load()
	return p != nil && p[n%tallyBits/64].Load()>>(n%64)&1 == 1
}

// Distinct returns how many different numbers were noted.
func (t *Tally) Distinct() int64 { return t.distinct.Load() }

// Duplicates returns how often a number was noted again.
func (t *Tally) Duplicates() int64 { return t.duplicates.Load() }

// Missing returns up to limit of the numbers from 1 to n that were not noted, and how many those are in all.
func (t *Tally) Missing(n int64, limit int) (numbers []int64, total int64) {
	for i := int64(1); i <= n; i++ {
		if t.Has(i) {
			continue
		}
		total++
		if len(numbers) < limit {
			numbers = append(numbers, i)
		}
	}
	return numbers, total
}

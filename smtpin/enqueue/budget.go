package enqueue

import "sync/atomic"

// What a mail may hold in memory beside the budget, in bytes, so that there is always room to receive one.
const (
	pocket       = 16 << 10 // any mail: usual ones never touch the budget
	headerPocket = 64 << 10 // one whose header has not ended, which cannot go to a file
)

// budget is the memory that the mails in reception hold together.
type budget struct{ used atomic.Int64 }

// take takes n bytes, if they do not go beyond limit.
func (b *budget) take(n, limit int64) bool {
	if b.used.Add(n) > limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.used.Add(-n) }

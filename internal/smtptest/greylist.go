package smtptest

import (
	"sync"
	"time"
)

// greylist remembers when a pair of sender and recipient was first seen. When it holds maxGrey pairs it starts afresh.
type greylist struct {
	mu    sync.Mutex
	pairs map[string]time.Time
}

const maxGrey = 1 << 20

// passed reports whether wait has gone by since the pair was first seen.
func (g *greylist) passed(from, to []byte, wait time.Duration) bool {
	key := string(from) + "\n" + string(to)
	g.mu.Lock()
	defer g.mu.Unlock()
	first, known := g.pairs[key]
	if known {
		return time.Since(first) >= wait
	}
	if g.pairs == nil || len(g.pairs) >= maxGrey {
		g.pairs = map[string]time.Time{}
	}
	g.pairs[key] = time.Now()
	return false
}

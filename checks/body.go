package checks

import (
	"errors"
	"sync"
)

// errLeftBehind is what a check reads after its runner gave it up.
var errLeftBehind = errors.New("checks: the mail is gone: this check overran its time")

// guardedBody is a body that can be taken away from a check, whose owner may then use its memory for something else.
type guardedBody struct {
	mu   sync.RWMutex
	body Body // nil when it was taken away
	size int64
}

func (g *guardedBody) ReadAt(p []byte, off int64) (int, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.body == nil {
		return 0, errLeftBehind
	}
	return g.body.ReadAt(p, off)
}

func (g *guardedBody) Size() int64 { return g.size }

// takeAway returns when no read is under way any more.
func (g *guardedBody) takeAway() {
	g.mu.Lock()
	g.body = nil
	g.mu.Unlock()
}

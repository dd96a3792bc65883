package enqueue

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/sluicemail/sluice/queue"
)

// trouble keeps the log short while nothing can be stored: of an outage it tells the first mail that was refused, and
// in the end how many there were.
type trouble struct {
	lasts atomic.Bool // asked for each mail

	mu      sync.Mutex
	refused int
}

// found logs an error of one mail, unless the outage to which it belongs is known.
func (t *trouble) found(log *slog.Logger, err error, about ...any) {
	if errors.Is(err, queue.ErrTooLarge) { // a matter of this mail alone
		log.Error("received mail could not be stored", append(about, "error", err)...)
		return
	}
	t.mu.Lock()
	t.refused++
	first := !t.lasts.Swap(true)
	t.mu.Unlock()
	if first {
		log.Error("received mail could not be stored; no more is said about others until one can be",
			append(about, "error", err)...)
	}
}

// over notes that a mail was stored.
func (t *trouble) over(log *slog.Logger) {
	if !t.lasts.Load() {
		return
	}
	t.mu.Lock()
	n := t.refused
	was := t.lasts.Swap(false)
	t.refused = 0
	t.mu.Unlock()
	if was {
		log.Info("received mail can be stored again", "refused", n)
	}
}

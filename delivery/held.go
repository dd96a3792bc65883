package delivery

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Held is what is parked under one key because of a pause.
type Held struct {
	Key      string // as it is parked in the queue: a recipient domain, "tag:" and a tag, "pause:" and a number
	Pause    Pause  // of several, that of the last message
	Since    time.Time
	Messages int  // parked under the key now
	Flowing  bool // it is over, and what is parked is being fetched
}

// Held returns what is parked because of pauses, sorted by key. An error is the queue's.
func (e *Engine) Held(ctx context.Context) ([]Held, error) {
	e.init()
	parker, ok := e.queue.(queue.Parker)
	if !ok {
		return nil, nil
	}
	counts, err := parker.Parked(ctx, e.outbox)
	if err != nil {
		return nil, err
	}
	p := &e.pausing
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Held, 0, len(p.keys))
	for key, h := range p.keys {
		list = append(list, Held{Key: key, Pause: h.pause, Since: h.since, Messages: counts[key], Flowing: h.left > 0})
	}
	slices.SortFunc(list, func(a, b Held) int { return strings.Compare(a.Key, b.Key) })
	return list, nil
}

// of returns the pause that holds what is parked under a key.
func (p *pausing) of(key string) (Pause, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.keys[key]
	if h == nil || h.left > 0 {
		return Pause{}, false
	}
	return h.pause, true
}

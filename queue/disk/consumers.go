package disk

import (
	"context"

	"github.com/sluicemail/sluice/queue"
)

// Consumers implements queue.ConsumerCounter.
func (q *Queue) Consumers(context.Context) (map[string]int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	all := make(map[string]int, len(q.x.names))
	for _, n := range q.x.names {
		all[n.name] = len(n.consumers)
	}
	return all, nil
}

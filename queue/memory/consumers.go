package memory

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
	all := make(map[string]int, len(q.named))
	for name, s := range q.named {
		all[name] = len(s.consumers)
	}
	return all, nil
}

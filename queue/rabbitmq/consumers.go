package rabbitmq

import "context"

// Consumers implements queue.ConsumerCounter for the queues that Queues names. The broker counts the programs'
// channels: one of this engine may have several.
func (q *Queue) Consumers(ctx context.Context) (map[string]int, error) {
	return ask(ctx, q, func(ctx context.Context) (map[string]int, error) {
		all := map[string]int{}
		for _, name := range q.names() {
			seen, found, err := q.topology.look(ctx, name)
			if err != nil {
				return nil, err
			}
			if found {
				all[name] = seen.Consumers
			}
		}
		return all, nil
	})
}

package rabbitmq

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Consumers implements queue.ConsumerCounter for the queues that Queues names. The broker counts the programs' channels: one
// of this engine may have several.
func (q *Queue) Consumers(ctx context.Context) (map[string]int, error) {
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	all := map[string]int{}
	for _, name := range q.names() {
		err := q.topology.do(ctx, func(ch *amqp.Channel) error {
			state, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			if err == nil {
				all[name] = state.Consumers
			}
			return err
		})
		if err != nil && code(err) != amqp.NotFound {
			return nil, q.closed(err)
		}
	}
	return all, nil
}

package mta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/rabbitmq"
)

// rabbitOptions are what the rabbitmq-* keys say.
func rabbitOptions(cfg *config.Config) rabbitmq.Options {
	o := rabbitmq.Options{
		Addresses:     cfg.RabbitMQAddress,
		NoVerify:      !cfg.RabbitMQVerify,
		Exchange:      cfg.RabbitMQExchange,
		NoDeclare:     !cfg.RabbitMQDeclare,
		NotDurable:    !cfg.RabbitMQDurable,
		NotPersistent: !cfg.RabbitMQPersistent,
		Lazy:          cfg.RabbitMQLazy,
		QueueType:     rabbitmq.QueueType(cfg.RabbitMQQueueType),
		MaxPriority:   cfg.RabbitMQMaxPriority,
		Consumers:     cfg.RabbitMQConsumers,
		Publishers:    cfg.RabbitMQPublishers,
		QoS:           cfg.RabbitMQQoS,
		MinQoS:        cfg.RabbitMQMinQoS,
		FlushQoS:      cfg.RabbitMQFlushQoS,
		Throttle:      cfg.RabbitMQThrottle,
		Name:          "mtad on " + cfg.HELO(),
		Patient:       true,
	}
	if cfg.RabbitMQEncoding == "gzip" {
		o.Encoding = "gzip"
	}
	return o
}

// checkRabbit judges the rabbitmq-* keys together.
func checkRabbit(cfg *config.Config, complain func(key, want string, cause error)) {
	if len(cfg.RabbitMQAddress) == 0 {
		return
	}
	o := rabbitOptions(cfg)
	if err := o.Check(); err != nil {
		key, want := "rabbitmq-address", "a broker that can be used as the other keys say"
		if o.QueueType == rabbitmq.Quorum {
			key, want = "rabbitmq-queue-type", "what goes with the other keys"
		}
		complain(key, want, err)
	}
}

// brokerQueues are the queues that the configuration names.
func brokerQueues(cfg *config.Config) []string {
	return []string{cfg.RabbitMQOutbox, cfg.RabbitMQInbox, cfg.RabbitMQLocal, cfg.RabbitMQReports, cfg.RabbitMQRefused,
		feedbackQueue(cfg), cfg.RabbitMQDSN, cfg.RabbitMQResults, cfg.RabbitMQSuccess, cfg.RabbitMQFailure, cfg.RabbitMQRetry,
		hookQueue(cfg)}
}

// othersQueues are those of them that mtad does not read.
func othersQueues(cfg *config.Config) []string {
	return slices.DeleteFunc(brokerQueues(cfg), func(name string) bool {
		return name == "" || name == cfg.RabbitMQOutbox || name == hookQueue(cfg)
	})
}

// brokerTime is how long the broker may take at start before mtad goes on without it.
const brokerTime = 30 * time.Second

// openRabbit opens the queues of a broker, and declares them. A broker that is away keeps nobody from starting: mail is
// refused for the time being until it is back.
func openRabbit(ctx context.Context, b *base) (queue.Queue, error) {
	cfg := b.cfg
	ctx, cancel := context.WithTimeout(ctx, brokerTime)
	defer cancel()
	o := rabbitOptions(cfg)
	o.Logger = b.log
	q, err := rabbitmq.Open(ctx, o)
	if err != nil {
		return nil, misconfigured{fmt.Errorf("rabbitmq-address: %w", err)}
	}
	b.onClose(q.Close)
	if err := q.Err(); err != nil {
		b.log.Warn("started without the broker: mail is refused for the time being", "error", err)
		go func() {
			if err := q.Declare(context.Background(), brokerQueues(cfg)...); errors.Is(err, queue.ErrRefused) {
				b.log.Error("the broker is back, but a queue cannot be used", "error", err)
			}
			q.BringBack(othersQueues(cfg)...)
		}()
		return q, nil
	}
	if err := q.Declare(ctx, brokerQueues(cfg)...); errors.Is(err, queue.ErrRefused) {
		return nil, misconfigured{err}
	} else if err != nil {
		b.log.Warn("the queues could not be declared yet", "error", err)
	}
	q.BringBack(othersQueues(cfg)...)
	b.log.Info("queues of the broker opened", "outbox", cfg.RabbitMQOutbox, "type", string(o.QueueType))
	return q, nil
}

// largest is the largest mail to announce: smtp-max-size, or less when the broker's messages cannot hold it and it
// does not go to a message store.
func (m *mails) largest(cfg *config.Config) int64 {
	size := cfg.SMTPMaxSize
	if size == 0 {
		size = -1 // what the server says for no limit
	}
	q, ok := m.own.(*rabbitmq.Queue)
	if ok && !m.storesIncoming() && (size < 0 || size > q.MaxMail()) {
		return q.MaxMail()
	}
	return size
}

// outboxPrefetch is how many messages may be in memory.
func outboxPrefetch(cfg *config.Config) int {
	if len(cfg.RabbitMQAddress) == 0 {
		return max(prefetch, 3*cfg.SMTPConnectionsOut) // one is being sent, one is next, one waits
	}
	return cfg.RabbitMQQoS * cfg.RabbitMQConsumers
}

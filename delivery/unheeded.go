package delivery

import (
	"sync"

	"github.com/sluicemail/sluice/queue"
)

// unheeded tells of properties that have no effect on a mail that goes all the same, each kind once: the log says what
// is done instead.
type unheeded struct {
	bounces sync.Once
}

func (e *Engine) tellUnheeded(m *queue.Message) {
	if e.Notifier == nil && m.Queues != nil && m.Queues.DSN != nil && *m.Queues.DSN != "" {
		e.unheeded.bounces.Do(func() {
			e.Logger.Warn("property without effect: queues.dsn names a queue for bounces, and none are made: what becomes of "+
				"such mail is in the queues of results and failures", "id", m.ID, "queue", *m.Queues.DSN)
		})
	}
}

package delivery

import (
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Notifier tells senders what became of their mail; *dsn.Notifier is one. Each method returns a notification to be
// published, nil for none; the last result of the message says what happened. They are called before the message is
// settled, and must not keep it.
type Notifier interface {
	// Failed is asked about a message that failed for good.
	Failed(m *queue.Message) *queue.Message
	// Delayed is asked after each attempt that is repeated; trying ends at a time, or never when that is zero.
	Delayed(m *queue.Message, until time.Time) *queue.Message
	// Relayed is asked about a message that a server took.
	Relayed(m *queue.Message) *queue.Message
	// Delivered is asked about a message that is in its mailbox.
	Delivered(m *queue.Message) *queue.Message
}

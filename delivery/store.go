package delivery

import (
	"context"

	"github.com/sluicemail/sluice/queue"
)

// Store has mails that are not in the queue: the mails of messages that come with a key instead.
type Store interface {
	// Fetch returns the mail with this key. It does not depend on ctx any more then; if it has a method Close, that is
	// called when it was used. An error wraps queue.ErrNotFound when there is no such mail, or is a *queue.DamageError
	// when it cannot be read; any other means that the store could not be asked.
	Fetch(ctx context.Context, key string) (queue.Body, error)
}

package delivery

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/sluicemail/sluice/internal/semaphore"
	"github.com/sluicemail/sluice/queue"
)

// How long making a mail of an object may take beyond fetching it, and how long a message waits whose mail cannot be
// made now.
const (
	renderTime  = time.Minute
	renderAgain = 2 * time.Minute
)

var errSlowRender = errors.New("making the mail took too long")

// renderer makes mails, as many at a time as there are processors.
type renderer struct {
	make    func(context.Context, *queue.Message, queue.Body) (queue.Body, error) // nil: there is none
	workers semaphore.Semaphore
}

func newRenderer(f func(context.Context, *queue.Message, queue.Body) (queue.Body, error)) renderer {
	return renderer{make: f, workers: make(semaphore.Semaphore, runtime.GOMAXPROCS(0))}
}

// renders reports whether a message is rendered before it is sent.
func (r *renderer) renders(m *queue.Message) bool {
	return r.make != nil && (m.Data != nil || m.InlineCSS || m.Compose != nil || m.Unsubscribe != nil)
}

// render makes the mail of a message; body is what it has for one, nil when that is an object.
func (r *renderer) render(ctx context.Context, m *queue.Message, body queue.Body) (queue.Body, error) {
	if body != nil { // making a mail of an object is waiting for downloads, above all
		if err := r.workers.Acquire(ctx); err != nil {
			return nil, errSlowRender
		}
		defer r.workers.Release()
	}
	return r.make(ctx, m, body)
}

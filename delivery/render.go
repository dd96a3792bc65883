package delivery

import (
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

// renders reports whether a message is rendered before it is sent.
func (e *core) renders(m *queue.Message) bool {
	return e.render != nil && (m.Data != nil || m.InlineCSS || m.Compose != nil || m.Unsubscribe != nil)
}

// newWorkers returns room for as many mails that are rendered at a time as there are processors.
func newWorkers() semaphore.Semaphore { return make(semaphore.Semaphore, runtime.GOMAXPROCS(0)) }

// obtain returns the mail of a message that is not ready: fetched where it is in the store, and rendered.
func (e *core) obtain(f *fetch, m *queue.Message) (queue.Body, error) {
	body := m.Body
	if body == nil && m.Key != "" && e.store != nil {
		stored, err := e.store.Fetch(f.ctx, m.Key)
		if err != nil || !e.renders(m) {
			return stored, err
		}
		defer closeBody(stored)
		body = stored
	}
	f.rendering.Store(true)
	if body != nil { // making a mail of an object is waiting for downloads, above all
		if err := e.workers.Acquire(f.ctx); err != nil {
			return nil, errSlowRender
		}
		defer e.workers.Release()
	}
	return e.render(f.ctx, m, body)
}

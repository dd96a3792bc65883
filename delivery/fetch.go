package delivery

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/queue"
)

// The times of a store unless Engine.StoreTimes says otherwise.
const (
	fetchTime  = 20 * time.Second
	fetchAgain = 2 * time.Minute
)

// mails gets the mails of messages that come without one, and of messages whose mail is to be made.
type mails struct {
	store  Store                                 // nil: there is none
	limits func() (timeout, again time.Duration) // of the store; nil: as by default
	renderer
	log   *slog.Logger
	away  atomic.Bool    // the store could not be asked
	going sync.WaitGroup // what fetches or renders
}

// rendered has the mail of a message rendered that is there. Whoever calls has nothing else to do meanwhile: that takes
// less time than having another goroutine do it, as a rule.
func (s *mails) rendered(ctx context.Context, m *queue.Message) *fetch {
	f := &fetch{was: m.Body}
	f.body, f.err = s.render(ctx, m, m.Body)
	return f
}

// begin has a mail that is not there fetched, or made, and rendered, until ctx ends.
func (s *mails) begin(ctx context.Context, m *queue.Message) *fetch {
	timeout, _ := s.times()
	if m.Compose != nil {
		timeout += renderTime
	}
	f := &fetch{done: make(chan struct{})}
	f.ctx, f.cancel = context.WithTimeout(ctx, timeout)
	own := *m // which others may change once it is given up
	s.going.Add(1)
	go func() {
		defer s.going.Done()
		f.body, f.err = s.obtain(f, &own)
		if !f.owner.CompareAndSwap(ofNobody, ofJob) {
			closeBody(f.body)
			return
		}
		close(f.done)
	}()
	return f
}

// obtain returns the mail of a message that is not there: fetched where it is in the store, and rendered.
func (s *mails) obtain(f *fetch, m *queue.Message) (queue.Body, error) {
	var body queue.Body
	if m.Key != "" && s.store != nil {
		stored, err := s.store.Fetch(f.ctx, m.Key)
		if err != nil || !s.renders(m) {
			return stored, err
		}
		defer closeBody(stored)
		body = stored
	}
	f.rendering.Store(true)
	return s.render(f.ctx, m, body)
}

// times returns how long fetching a mail may take, and the delay after it could not be done.
func (s *mails) times() (timeout, again time.Duration) {
	if s.limits != nil {
		timeout, again = s.limits()
	}
	return cmp.Or(max(timeout, 0), fetchTime), cmp.Or(max(again, 0), fetchAgain)
}

// answers notes whether the store can be asked, and says so when that changes.
func (s *mails) answers(err error) {
	if was := s.away.Load(); was == (err != nil) || !s.away.CompareAndSwap(was, err != nil) {
		return
	}
	if err == nil {
		s.log.Info("the message store answers again")
		return
	}
	_, again := s.times()
	s.log.Warn("fetching a mail from the message store failed; its message waits, and those after it", "error", err,
		"in", again)
}

// wait waits for what was given up; a store that answers nothing at all is left behind.
func (s *mails) wait() {
	done := make(chan struct{})
	go func() {
		s.going.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(settling.Grace):
		s.log.Warn("the message store or a download does not answer; going without it")
	}
}

// fetch is a mail that is being fetched or rendered for a job, or was. The goroutine that has the job awaits or drops
// it.
type fetch struct {
	ctx       context.Context // ends when it takes too long, or the mail is not needed any more
	cancel    context.CancelFunc
	owner     atomic.Uint32 // nobody; the job, once done is closed; or, once it is given up, the fetching goroutine
	done      chan struct{} // nil: it was rendered at once
	body      queue.Body
	err       error
	was       queue.Body  // what the message had before
	taken     bool        // body is that of the message
	rendering atomic.Bool // it was fetched, if that was needed
}

const (
	ofNobody uint32 = iota
	ofJob
	ofFetcher
)

// await waits for the mail, as long as it may take; a stop ends that.
func (f *fetch) await(stop context.Context) error {
	if f.done == nil {
		return f.err
	}
	select {
	case <-f.done:
		return f.err
	default:
	}
	select {
	case <-f.done:
		return f.err
	case <-f.ctx.Done():
	case <-stop.Done():
	}
	f.cancel()
	if !f.owner.CompareAndSwap(ofNobody, ofFetcher) { // it came at the last moment
		<-f.done
		return f.err
	}
	if stop.Err() != nil {
		return stop.Err()
	}
	if f.rendering.Load() {
		return errSlowRender
	}
	return errSlowStore
}

var errSlowStore = errors.New("the message store did not answer in time")

// drop gives a mail back.
func (f *fetch) drop() {
	if f.done == nil {
		closeBody(f.body)
		return
	}
	f.cancel()
	if !f.owner.CompareAndSwap(ofNobody, ofFetcher) && f.owner.Load() == ofJob {
		<-f.done
		closeBody(f.body)
	}
}

// give has a message carry its mail, which was awaited; it returns what it carried before.
func (f *fetch) give(m *queue.Message) (was queue.Body) {
	if f.cancel != nil {
		f.cancel()
	}
	f.taken, m.Body = true, f.body
	return f.was
}

// undo has a message be as it was before its mail was fetched, or given up; none needs to have begun.
func (f *fetch) undo(m *queue.Message) {
	if f == nil {
		return
	}
	if f.taken {
		m.Body = f.was
	}
	f.drop()
}

// without returns a message as it belongs into the outbox: what was fetched stays in the store, and what was rendered
// is rendered anew.
func (f *fetch) without(m *queue.Message) *queue.Message {
	if f == nil || !f.taken {
		return m
	}
	was := *m
	was.Body = f.was
	return &was
}

func closeBody(body queue.Body) {
	if c, ok := body.(io.Closer); ok {
		_ = c.Close() // it was only read
	}
}

package delivery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"strconv"
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

// storeTimes returns how long fetching a mail may take, and the delay after it could not be done.
func (e *core) storeTimes() (timeout, again time.Duration) {
	if e.storeLimits != nil {
		timeout, again = e.storeLimits()
	}
	return cmp.Or(max(timeout, 0), fetchTime), cmp.Or(max(again, 0), fetchAgain)
}

// sizeProperty tells how many bytes the mail has that is in the store; the program that put it there may have added it.
const sizeProperty = "mime-size"

// mailSize returns the size of a mail as far as it is known; zero when it is not.
func mailSize(m *queue.Message) int64 {
	if m.Body != nil {
		return m.Body.Size()
	}
	if m.Key == "" {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.Trim(m.Extra[sizeProperty], `"`)), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// absent reports whether the mail of a job has to be fetched, or made of an object, before it can be sent: that may
// take long.
func (j *job) absent() bool { return j.m.Body == nil && (j.m.Key != "" || j.m.Compose != nil) }

// unready reports whether something has to be done before the mail of a job can be sent.
func (j *job) unready() bool {
	return j.m.Body == nil || j.m.Data != nil || j.m.InlineCSS || j.m.Unsubscribe != nil
}

// fetch is a mail that is being fetched or rendered for a job, or was. The one who has the job awaits or drops it.
type fetch struct {
	ctx       context.Context // ends when it takes too long, or the mail is not needed any more
	cancel    context.CancelFunc
	owner     atomic.Uint32 // nobody; the job, once done is closed; or, once it is given up, the fetching goroutine
	done      chan struct{}
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

// beginFetch has the mail of a job fetched, and rendered, while its connection does something else.
func (e *core) beginFetch(j *job) {
	timeout, _ := e.storeTimes()
	if j.m.Compose != nil {
		timeout += renderTime
	}
	f := &fetch{done: make(chan struct{}), was: j.m.Body}
	f.ctx, f.cancel = context.WithTimeout(e.ctx, timeout)
	j.fetch = f
	m := *j.m // which others may change once the job is given up
	e.fetches.Add(1)
	go func() {
		defer e.fetches.Done()
		f.body, f.err = e.obtain(f, &m)
		if !f.owner.CompareAndSwap(ofNobody, ofJob) {
			closeBody(f.body)
			return
		}
		close(f.done)
	}()
}

// await waits for the mail, as long as it may take; a stop ends that.
func (f *fetch) await(stop context.Context) error {
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
	f.cancel()
	if !f.owner.CompareAndSwap(ofNobody, ofFetcher) && f.owner.Load() == ofJob {
		<-f.done
		closeBody(f.body)
	}
}

func closeBody(body queue.Body) {
	if c, ok := body.(io.Closer); ok {
		_ = c.Close() // it was only read
	}
}

// unfetch has a job be as it was before its mail was fetched.
func (j *job) unfetch() {
	f := j.fetch
	if f == nil {
		return
	}
	j.fetch = nil
	if f.taken {
		j.m.Body = f.was
	}
	f.drop()
}

// stored returns the message of a job as it belongs into the outbox: what was fetched stays in the store, and what was
// rendered is rendered anew.
func (j *job) stored() *queue.Message {
	if j.fetch == nil || !j.fetch.taken {
		return j.m
	}
	m := *j.m
	m.Body = j.fetch.was
	return &m
}

// fetch gets the mail of a job, which is next; false means that the job ended here, or waits again.
func (c *connection) fetch(j *job) bool {
	if j.fetch == nil {
		c.e.beginFetch(j)
	}
	if err := j.fetch.await(c.e.consume); err != nil {
		c.account.Cancel(j.size)
		j.fetch.cancel()
		j.fetch = nil
		c.e.notFetched(j, err)
		return false
	}
	if j.absent() && j.m.Key != "" {
		c.e.storeAnswers(nil)
	}
	j.fetch.cancel()
	j.fetch.taken, j.m.Body = true, j.fetch.body
	size := j.m.Body.Size()
	if size == j.size || j.fetch.was != nil { // which was counted with the size that it came with
		return true
	}
	c.account.Cancel(j.size) // of a size that was not known
	j.size = size
	_, looks := c.p.way()
	if wait := c.account.Send(size); !wait.Zero() {
		j.unfetch()
		c.p.putBackThrottled(j, wait, looks)
		return false
	}
	return true
}

// notFetched ends a job whose mail could not be fetched: for good when the mail is gone, and for a while when the store
// could not be asked.
func (e *core) notFetched(j *job, err error) {
	result := queue.Result{State: queue.StateStorage, Code: 554, Status: "5.3.0"}
	_, damaged := errors.AsType[*queue.DamageError](err)
	failure, unrendered := errors.AsType[*Failure](err)
	switch {
	case e.stopping.Load() || e.ctx.Err() != nil:
		e.release(j)
		return
	case errors.Is(err, errSlowRender) || unrendered && failure.Temporary:
		e.log.Warn("a mail cannot be made now; its message waits", "id", j.m.ID, "error", err, "in", renderAgain)
		e.delay(j, time.Now().Add(renderAgain))
		return
	case unrendered:
		e.notTried(j, failure.Result)
		return
	case errors.Is(err, queue.ErrNotFound):
		result.Result, result.Description = queue.Lost, "the mail "+strconv.Quote(j.m.Key)+" is not in the message store"
	case damaged:
		result.Result, result.Description = queue.Invalid, "the mail "+strconv.Quote(j.m.Key)+" cannot be used: "+err.Error()
	default:
		if j.m.Key != "" {
			e.storeAnswers(err)
		}
		_, again := e.storeTimes()
		e.delay(j, time.Now().Add(again))
		return
	}
	e.storeAnswers(nil)
	e.notTried(j, result)
}

// storeAnswers notes whether the store can be asked, and says so when that changes.
func (e *core) storeAnswers(err error) {
	if was := e.storeAway.Load(); was == (err != nil) || !e.storeAway.CompareAndSwap(was, err != nil) {
		return
	}
	if err == nil {
		e.log.Info("the message store answers again")
		return
	}
	_, again := e.storeTimes()
	e.log.Warn("fetching a mail from the message store failed; its message waits, and those after it", "error", err,
		"in", again)
}

// awaitFetches waits for what was given up; a store that answers nothing at all is left behind.
func (e *core) awaitFetches() {
	if e.store == nil && e.render == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		e.fetches.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(settling.Grace):
		e.log.Warn("the message store or a download does not answer; going without it")
	}
}

package delivery

import (
	"bytes"
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
	if timeout <= 0 {
		timeout = fetchTime
	}
	if again <= 0 {
		again = fetchAgain
	}
	return timeout, again
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

// absent reports whether the mail of a job has to be fetched before it can be sent.
func (j *job) absent() bool { return j.m.Body == nil && j.m.Key != "" }

// fetch is a mail that is being fetched for a job, or was. The one who has the job awaits or drops it.
type fetch struct {
	ctx    context.Context // ends when it takes too long, or the mail is not needed any more
	cancel context.CancelFunc
	owner  atomic.Uint32 // nobody; the job, once done is closed; or, once it is given up, the fetching goroutine
	done   chan struct{}
	body   queue.Body
	err    error
	taken  bool // body is that of the message
}

const (
	ofNobody uint32 = iota
	ofJob
	ofFetcher
)

// beginFetch has the mail of a job fetched while its connection does something else.
func (e *core) beginFetch(j *job) {
	timeout, _ := e.storeTimes()
	f := &fetch{done: make(chan struct{})}
	f.ctx, f.cancel = context.WithTimeout(e.ctx, timeout)
	j.fetch = f
	key := j.m.Key
	e.fetches.Add(1)
	go func() {
		defer e.fetches.Done()
		f.body, f.err = e.store.Fetch(f.ctx, key)
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
		j.m.Body = nil
	}
	f.drop()
}

// stored returns the message of a job as it belongs into the outbox: what was fetched stays in the store.
func (j *job) stored() *queue.Message {
	if j.fetch == nil || !j.fetch.taken {
		return j.m
	}
	m := *j.m
	m.Body = nil
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
	c.e.storeAnswers(nil)
	j.fetch.cancel()
	j.fetch.taken, j.m.Body = true, j.fetch.body
	size := j.m.Body.Size()
	if size == j.size {
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
	switch {
	case e.stopping.Load() || e.ctx.Err() != nil:
		e.release(j)
		return
	case errors.Is(err, queue.ErrNotFound):
		result.Result, result.Description = queue.Lost, "the mail "+strconv.Quote(j.m.Key)+" is not in the message store"
	case damaged:
		result.Result, result.Description = queue.Invalid, "the mail "+strconv.Quote(j.m.Key)+" cannot be used: "+err.Error()
	default:
		e.storeAnswers(err)
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
	if e.store == nil {
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
		e.log.Warn("the message store does not answer; going without it")
	}
}

package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue"
)

// job is one message on its way to the broker.
type job struct {
	exchange, key string
	msg           amqp.Publishing
	free          func()      // called once when msg.Body is not needed any more; may be nil
	done          func(error) // called once, quickly, when the outcome is known; nil is stored
	size          int64       // of msg.Body
	state         atomic.Int32
	returned      *amqp.Return
}

// The states of a job.
const (
	jobWaits     = iota // in a publisher's list
	jobSent             // being written, or written
	jobWithdrawn        // its publisher came first
)

// withdraw takes a job back that was not sent yet.
func (j *job) withdraw() bool {
	if !j.state.CompareAndSwap(jobWaits, jobWithdrawn) {
		return false
	}
	j.drop()
	return true
}

func (j *job) drop() {
	if j.free != nil {
		j.free()
		j.free = nil
	}
}

// publisher is one connection that publishes, with the one goroutine that writes to it: the library's own calls do not
// heed contexts, and stand still while the broker does not read.
type publisher struct {
	q    *Queue
	jobs chan *job

	mu      sync.Mutex
	away    error // why nothing can be published at the moment
	blocked string
}

func newPublisher(q *Queue) *publisher {
	return &publisher{q: q, jobs: make(chan *job, q.opts.Throttle)}
}

// ready returns an error when the publisher cannot take jobs now.
func (p *publisher) ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.away != nil:
		return p.away
	case p.blocked != "":
		return fmt.Errorf("rabbitmq: %w: the broker takes no messages at the moment: %s", queue.ErrUnavailable, p.blocked)
	}
	return nil
}

func (p *publisher) setAway(err error) {
	p.mu.Lock()
	p.away = err
	p.mu.Unlock()
	if err != nil {
		p.refuse(err)
	}
}

// refuse fails what waits to be written.
func (p *publisher) refuse(err error) {
	for {
		select {
		case j := <-p.jobs:
			p.fail(j, err)
		default:
			return
		}
	}
}

func (p *publisher) fail(j *job, err error) {
	if j.state.CompareAndSwap(jobWaits, jobWithdrawn) {
		j.drop()
		j.done(err)
	}
}

// put gives the publisher a job. On an error, too, the job has its outcome.
func (p *publisher) put(ctx context.Context, j *job) error {
	var err error
	select {
	case p.jobs <- j:
		// It may have got in just behind jobs that were refused.
		if err := p.ready(); err != nil {
			p.fail(j, err)
		}
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-p.q.life.Done():
		err = queue.ErrClosed
	}
	p.fail(j, err)
	return err
}

// run publishes until the queue closes. conn is the first connection.
func (p *publisher) run(conn *amqp.Connection) {
	defer p.q.tasks.Done()
	ctx := p.q.life
	var err error
	for {
		if conn == nil || conn.IsClosed() {
			conn, err = p.q.dialer.connect(ctx, p, publishing, p.setAway)
			if err != nil {
				break
			}
			p.setAway(nil)
		}
		began := time.Now()
		p.serve(conn)
		hangUp(conn)
		if time.Since(began) < time.Second { // it was refused: do not ask again and again
			pause(ctx, firstRetry)
		}
		if ctx.Err() != nil {
			break
		}
	}
	p.setAway(queue.ErrClosed)
}

// sending is a channel that publishes.
type sending struct {
	p      *publisher
	conn   *amqp.Connection
	pipe   *pipe // below conn
	ch     *amqp.Channel
	window chan struct{} // a place for each message that is not confirmed
	dead   chan struct{} // closed when the channel is
	cause  *amqp.Error   // once dead is closed
	stale  chan struct{} // closed when another channel should take over
	renew  sync.Once
	began  time.Time
	tasks  sync.WaitGroup

	mu     sync.Mutex
	flight map[*job]struct{} // sent and not confirmed
}

// serve publishes on one channel until it dies.
func (p *publisher) serve(conn *amqp.Connection) {
	below, _ := p.q.dialer.pipes.LoadAndDelete(conn)
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		return
	}
	s := &sending{p: p, conn: conn, pipe: below.(*pipe), ch: ch, window: make(chan struct{}, p.q.opts.Throttle),
		dead:  make(chan struct{}),
		stale: make(chan struct{}), flight: make(map[*job]struct{}), began: time.Now()}
	s.watch()
	s.write()
	s.drain()
	hangUp(conn)
	s.tasks.Wait()
	p.mu.Lock()
	p.blocked = ""
	p.mu.Unlock()
}

// write sends jobs until the channel dies. Jobs that come together are written together.
func (s *sending) write() {
	defer s.pipe.release()
	for s.reserve() {
		j := s.next()
		if j == nil {
			return
		}
		if !s.send(j) {
			<-s.window
		}
	}
}

// reserve waits for a place in the window; false when the channel is of no use any more.
func (s *sending) reserve() bool {
	select {
	case s.window <- struct{}{}:
		return true
	default:
		s.pipe.release()
	}
	select {
	case s.window <- struct{}{}:
		return true
	case <-s.stale:
	case <-s.dead:
	case <-s.p.q.life.Done():
	}
	return false
}

// next waits for a job; nil when the channel is of no use any more.
func (s *sending) next() *job {
	select {
	case <-s.stale:
		return nil
	case <-s.dead:
		return nil
	case j := <-s.p.jobs:
		return j
	default:
		s.pipe.release()
	}
	select {
	case j := <-s.p.jobs:
		return j
	case <-s.stale:
	case <-s.dead:
	case <-s.p.q.life.Done():
	}
	return nil
}

// refused makes another channel take over after the broker refused a message: a channel that met a quorum queue while
// this had no leader is refused for ever, whereas a new one is not.
func (s *sending) refused() {
	if time.Since(s.began) > time.Second {
		s.renew.Do(func() { close(s.stale) })
	}
}

// drain gives what is in flight a moment to be confirmed before the channel is left.
func (s *sending) drain() {
	select {
	case <-s.stale:
	default:
		return
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && s.p.q.life.Err() == nil && !s.ch.IsClosed(); {
		s.mu.Lock()
		n := len(s.flight)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		pause(s.p.q.life, 5*time.Millisecond)
	}
}

// send writes one message; false when it was not written.
func (s *sending) send(j *job) bool {
	if err := s.p.ready(); err != nil {
		s.p.fail(j, err)
		return false
	}
	if !j.state.CompareAndSwap(jobWaits, jobSent) {
		return false
	}
	s.mu.Lock()
	s.flight[j] = struct{}{}
	s.mu.Unlock()
	s.pipe.hold()
	confirmation, err := s.ch.PublishWithDeferredConfirm(j.exchange, j.key, true, false, j.msg)
	j.msg.Body = nil
	j.drop()
	if err == nil {
		s.tasks.Go(func() { s.follow(j, confirmation) })
		return true
	}
	s.landed(j)
	if errors.Is(err, amqp.ErrClosed) { // the broker has not got the whole message
		j.done(fmt.Errorf("rabbitmq: %w: the connection broke", queue.ErrUnavailable))
	} else {
		_ = s.conn.Close()
		j.done(errLost)
	}
	return false
}

// landed ends what send noted.
func (s *sending) landed(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flight, j)
}

// follow waits for the confirmation of one message. Each is waited for on its own: the broker confirms them in the
// order in which it has stored them, and one that it lost in a crash must not hold up the others.
func (s *sending) follow(j *job, confirmation *amqp.DeferredConfirmation) {
	timeout := time.NewTimer(s.p.q.opts.ConfirmTimeout)
	defer timeout.Stop()
	select {
	case <-confirmation.Done():
		if !confirmation.Acked() && s.ch.IsClosed() {
			<-s.dead
		}
	case <-timeout.C:
	}
	s.landed(j)
	<-s.window
	j.done(s.outcome(j, confirmation))
}

// errLost is the outcome of what was in flight when its channel died.
var errLost = fmt.Errorf("rabbitmq: %w: the connection broke before the message was confirmed", queue.ErrUnknown)

// outcome tells what became of a message that was sent.
func (s *sending) outcome(j *job, confirmation *amqp.DeferredConfirmation) error {
	q := s.p.q
	select {
	case <-confirmation.Done():
	default:
		return fmt.Errorf("rabbitmq: %w: the broker did not confirm within %v", queue.ErrUnknown, q.opts.ConfirmTimeout)
	}
	switch {
	case j.returned != nil:
		return &unroutable{j.exchange, j.key, j.returned.ReplyText}
	case confirmation.Acked():
		return nil
	case !s.ch.IsClosed():
		s.refused()
		return fmt.Errorf("rabbitmq: %w: the broker could not store the message in queue %q", queue.ErrUnavailable, j.key)
	case q.isClosed():
		return queue.ErrClosed
	}
	if limit := q.tooLarge(s.cause); limit > 0 && j.size > limit {
		return fmt.Errorf("rabbitmq: %w: %d bytes, the broker takes %d", queue.ErrTooLarge, j.size, limit)
	}
	if s.cause != nil && s.cause.Server {
		return fmt.Errorf("%w (%s)", errLost, s.cause.Reason)
	}
	return errLost
}

// watch starts the goroutine that hears what the broker says about the channel.
func (s *sending) watch() {
	// Both channels get every return. The library goes on to the confirmation of a message when the second one was
	// taken, so that the first has been dealt with by then.
	returns, dealt := s.ch.NotifyReturn(make(chan amqp.Return)), s.ch.NotifyReturn(make(chan amqp.Return))
	closed := s.ch.NotifyClose(make(chan *amqp.Error, 1))
	blocks := s.conn.NotifyBlocked(make(chan amqp.Blocking, 10))
	s.tasks.Go(func() {
		for returns != nil {
			select {
			case r, ok := <-returns:
				if !ok {
					returns = nil
					break
				}
				s.returned(&r)
				<-dealt
			case b, ok := <-blocks:
				if !ok {
					blocks = nil
					break
				}
				s.p.setBlocked(b)
			}
		}
		s.cause = <-closed
		if c := s.cause; c != nil && c.Server && s.p.q.tooLarge(c) == 0 {
			s.p.q.opts.Logger.Warn("the broker closed a channel that publishes", "reason", c.Reason)
		}
		close(s.dead)
	})
}

// setBlocked notes an alarm of the broker.
func (p *publisher) setBlocked(b amqp.Blocking) {
	p.mu.Lock()
	was := p.blocked != ""
	p.blocked = ""
	if b.Active {
		p.blocked = "it raised an alarm: " + b.Reason
	}
	p.mu.Unlock()
	switch {
	case b.Active && !was:
		p.q.opts.Logger.Warn("the broker takes no messages", "reason", b.Reason)
		p.refuse(p.ready())
	case !b.Active && was:
		p.q.opts.Logger.Info("the broker takes messages again")
	}
}

// returned notes for which message there was no queue.
func (s *sending) returned(r *amqp.Return) {
	r.Body = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	for j := range s.flight {
		if j.returned == nil && j.exchange == r.Exchange && j.key == r.RoutingKey && j.msg.MessageId == r.MessageId {
			j.returned = r
			return
		}
	}
}

// tooLarge returns the limit on messages when it is what closed a channel, and keeps to it from then on.
func (q *Queue) tooLarge(cause *amqp.Error) int64 {
	if cause == nil || cause.Code != amqp.PreconditionFailed {
		return 0
	}
	_, text, found := strings.Cut(cause.Reason, "larger than configured max size ")
	if !found {
		return 0
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	q.maxSize.Store(min(limit, q.maxSize.Load()))
	return limit
}

// unroutable says that there is no queue for a message.
type unroutable struct{ exchange, key, reason string }

// Error names the queue.
func (u *unroutable) Error() string {
	if u.exchange == "" {
		return fmt.Sprintf("rabbitmq: there is no queue %q (%s)", u.key, u.reason)
	}
	return fmt.Sprintf("rabbitmq: exchange %q has no queue for the routing key %q (%s)", u.exchange, u.key, u.reason)
}

// Unwrap makes it an ErrUnavailable that no repetition mends: the queue was declared before, unless that is not wanted.
func (u *unroutable) Unwrap() []error { return []error{queue.ErrUnavailable, queue.ErrRefused} }

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

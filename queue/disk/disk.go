package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Options tunes a queue. The zero value is fit for production.
type Options struct {
	// SegmentSize is the size of the files of the log, at least 64 KiB. Zero means 32 MiB.
	SegmentSize int64
	// FileSize is the size from which a mail gets a file of its own. Zero means 256 KiB. It is at most a quarter of
	// SegmentSize.
	FileSize int64
	// CacheBytes bounds the mails kept in memory after they were stored. Zero means 32 MiB, a negative number none.
	CacheBytes int64
	// MaxBytes bounds the space that the store takes. Zero means no bound.
	MaxBytes int64
	// MinFree is how much space the file system must have left for the store to grow. Zero means any.
	MinFree int64
	// SettleDelay is how long a settlement may wait in memory for others, or for a Publish, to be written with. Zero
	// means 50 ms.
	SettleDelay time.Duration
	// Logger receives what an operator should know: damage, lack of space. Nil: slog.Default.
	Logger *slog.Logger
	// Synced is told how long it took to make a batch durable once it was written. It must not block. Nil: nobody is.
	Synced func(took time.Duration)

	fs         fileSystem    // nil: the directory
	rewriteAge time.Duration // how old a segment must be to be rewritten; 0: 10 s
}

const minSegment = 64 << 10

func (o *Options) fill() {
	o.SegmentSize = cmp.Or(o.SegmentSize, 32<<20)
	o.SegmentSize = min(max(o.SegmentSize, minSegment)&^(segmentPage-1), 1<<31)
	o.FileSize = cmp.Or(o.FileSize, 256<<10)
	o.FileSize = min(o.FileSize, o.SegmentSize/4)
	o.CacheBytes = cmp.Or(o.CacheBytes, 32<<20)
	o.SettleDelay = cmp.Or(o.SettleDelay, 50*time.Millisecond)
	o.rewriteAge = cmp.Or(o.rewriteAge, 10*time.Second)
	o.Logger = cmp.Or(o.Logger, slog.Default())
}

// Queue is an open store. It implements queue.Queue, queue.Atomic, queue.Inspector and queue.Parker.
type Queue struct {
	dir    string
	opts   Options
	fs     fileSystem
	log    *slog.Logger
	lock   *os.File
	nextID atomic.Uint64
	groups groupPool
	marks  marker
	before bool // the directory was that of a queue before it was opened

	mu    sync.Mutex
	x     index
	cache cache
	segs  segmentTable
	cur   *segment
	work  *sync.Cond // wakes the committer
	commitLog
	keeper
	delayTimer *time.Timer
	delayAt    int64 // when it goes off, ms since 1970; 0: not set
	delayRan   int64 // when it went off last
	damage     Damage

	failed      error // sticky
	closed      bool
	aborted     bool
	filesClosed bool
	running     sync.WaitGroup
}

var (
	_ queue.Queue  = (*Queue)(nil)
	_ queue.Atomic = (*Queue)(nil)
)

// Open opens the store in dir, which it makes if needed, and recovers what was stored there. The error is
// queue.ErrLocked when another process has it open. What it found damaged is told by [Queue.Damage].
func Open(dir string, opts Options) (*Queue, error) {
	opts.fill()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	q := &Queue{dir: dir, opts: opts, fs: opts.fs, log: opts.Logger}
	q.x.init()
	q.cache = cache{limit: int(max(0, opts.CacheBytes)), x: &q.x}
	q.work = sync.NewCond(&q.mu)
	q.keeper.kick = make(chan struct{}, 1)
	q.keeper.stop = make(chan struct{})
	if q.fs == nil {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("open queue: %w", err)
		}
		_ = osFS{filepath.Dir(dir)}.SyncDir(".") // so that a new directory lasts; not everybody may open its parent
		if q.lock, q.before, err = lockDir(dir); err != nil {
			return nil, err
		}
		q.fs = osFS{dir}
	}
	if err := q.recover(); err != nil {
		if q.lock != nil && !q.before {
			_ = q.lock.Truncate(0) // it is no queue yet
		}
		q.closeFiles()
		return nil, fmt.Errorf("open queue in %s: %w", dir, err)
	}
	q.running.Add(2)
	go q.commitLoop()
	go q.keepLoop()
	q.settleDamage()
	return q, nil
}

// Atomic reports true: a Publish or Settle stores all of its items or none.
func (q *Queue) Atomic() bool { return true }

// Publish stores the items, all or none, and returns when they are durable, or when ctx ends: what was not being
// written yet is not stored then, and of the rest the error is queue.ErrUnknown.
func (q *Queue) Publish(ctx context.Context, items ...queue.Item) error {
	if len(items) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	err := q.refusePublish()
	q.mu.Unlock()
	if err != nil {
		return err
	}
	g := q.groups.get()
	if err := q.encode(g, items, nil); err != nil {
		return err
	}
	return q.commitFor(ctx, g)
}

// maxGroup is the most that one call can store.
const maxGroup = 1 << 31

// commit hands a group to the committer and waits until it is durable.
func (q *Queue) commit(g *group) error { return q.commitFor(context.Background(), g) }

// commitFor is commit that waits no longer than ctx lasts.
func (q *Queue) commitFor(ctx context.Context, g *group) error {
	if g.size > maxGroup {
		q.discard(g)
		return fmt.Errorf("%w: %d bytes in one call", queue.ErrTooLarge, g.size)
	}
	g.waiting = true
	q.mu.Lock()
	err := q.refusal()
	if err == nil {
		q.enqueue(g)
	}
	q.mu.Unlock()
	if err != nil {
		return q.conclude(g, err)
	}
	select {
	case err = <-g.done:
	case <-ctx.Done():
		if err = ctx.Err(); !q.withdraw(g) {
			go func() { _ = q.conclude(g, <-g.done) }()
			return fmt.Errorf("%w: %w", queue.ErrUnknown, err)
		}
	}
	return q.conclude(g, err)
}

// withdraw takes back a group that is not being written yet; false when it is, or was.
func (q *Queue) withdraw(g *group) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.pending, g)
	if i < 0 {
		return false
	}
	q.pending = slices.Delete(q.pending, i, i+1)
	return true
}

// conclude ends a group that was stored, or was not.
func (q *Queue) conclude(g *group, err error) error {
	if errors.Is(err, queue.ErrUnknown) {
		return err // what it holds may be on disk
	}
	if err != nil {
		q.discard(g)
		return err
	}
	q.groups.put(g)
	return nil
}

// refusal returns why nothing can be written any more. q.mu is held.
func (q *Queue) refusal() error {
	switch {
	case q.closed:
		return queue.ErrClosed
	case q.failed != nil:
		return fmt.Errorf("%w: %w", queue.ErrUnavailable, q.failed)
	}
	return nil
}

// flush waits until everything in the order of the log so far is durable.
func (q *Queue) flush() error {
	g := q.groups.get()
	g.own = true
	g.addSettle()
	return q.commit(g)
}

// Close writes what was settled, saves the index and releases the directory. Consume returns queue.ErrClosed.
func (q *Queue) Close() error { return q.shut(true) }

// Abort releases the directory at once, as if the process had been killed: what was settled last may be handed out
// again after the next Open. It loses nothing that Publish has confirmed.
func (q *Queue) Abort() error { return q.shut(false) }

func (q *Queue) shut(graceful bool) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed, q.aborted = true, !graceful
	q.wakeAll()
	for _, t := range []*time.Timer{q.timer, q.delayTimer} {
		if t != nil {
			t.Stop()
		}
	}
	q.mu.Unlock()
	q.work.Broadcast()
	close(q.keeper.stop)
	q.running.Wait()
	if graceful && q.failed == nil {
		if err := q.checkpoint(); err != nil {
			q.log.Warn("the next start takes longer", "error", err) // nothing is lost
		}
	}
	q.closeFiles()
	return nil
}

// closeFiles closes every file and unlocks the directory.
func (q *Queue) closeFiles() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.filesClosed = true
	for _, s := range q.segs.slots {
		if s != nil && s.file != nil {
			s.file.Close()
		}
	}
	if q.marks.f != nil {
		q.marks.f.Close()
	}
	if q.lock != nil {
		q.lock.Close()
	}
}

// wakeAll makes every consumer look again.
func (q *Queue) wakeAll() {
	for _, n := range q.x.names {
		for _, c := range n.consumers {
			c.signal()
		}
	}
}

// armDelays sets the timer to the next due time. q.mu is held.
func (q *Queue) armDelays(now int64) {
	first := q.x.delays.first()
	if first == 0 || q.closed {
		return
	}
	due := max(q.x.entries.at(first).due, q.delayRan+delaySpacing)
	if q.delayAt != 0 && q.delayAt <= due {
		return
	}
	q.delayAt = due
	wait := min(time.Duration(due-now)*time.Millisecond, maxTimer)
	if q.delayTimer == nil {
		q.delayTimer = time.AfterFunc(wait, q.delaysDue)
		return
	}
	q.delayTimer.Reset(wait)
}

// delaySpacing is how many ms lie between one look at what is due and the next: messages that become due one by one
// come out together, and what becomes of them is written together. A message that nothing was due before is on time.
const delaySpacing = 500

// maxTimer bounds how long a change of the system's clock goes unnoticed.
const maxTimer = time.Minute

// delaysDue makes ready what is due, some at a time.
func (q *Queue) delaysDue() {
	for more := true; more; {
		q.mu.Lock()
		now := time.Now().UnixMilli()
		q.delayAt, q.delayRan = 0, now
		more = !q.closed && q.releaseDue(now, 1000)
		if !more {
			q.armDelays(now)
		}
		q.mu.Unlock()
	}
}

// releaseDue makes up to n due entries ready and reports whether there may be more.
func (q *Queue) releaseDue(now int64, n int) bool {
	for range n {
		i := q.x.delays.first()
		if i == 0 || q.x.entries.at(i).due > now {
			return false
		}
		q.x.displace(i)
		q.x.place(i, now, false)
		q.wake(q.x.queues[q.x.entries.at(i).queue])
	}
	return true
}

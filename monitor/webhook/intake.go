package webhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// intake moves results from the queue into the journal. A result leaves the queue when its line is durable.
type intake struct {
	h      *Hook
	wake   chan struct{}
	urgent chan struct{}

	mu    sync.Mutex
	lines []byte
	count int               // of lines
	taken []*queue.Delivery // the results of these lines, and what was none
	spare []byte
}

const (
	gatherTime = 300 * time.Millisecond // results wait for others to be written with
	gatherSize = 1 << 20                // unless there are so many bytes
	prefetch   = 8000                   // or half as many results
)

func newIntake(h *Hook) *intake {
	return &intake{h: h, wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1)}
}

// run works until ctx ends, and then writes what was read.
func (in *intake) run(ctx context.Context) {
	var consuming sync.WaitGroup
	consuming.Go(func() { in.consume(ctx) })
	for ctx.Err() == nil {
		select {
		case <-in.wake:
		case <-ctx.Done():
		}
		timer := time.NewTimer(gatherTime)
		select {
		case <-in.urgent:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		in.flush(ctx)
	}
	consuming.Wait()
	in.flush(ctx)
}

// consume reads the queue, again and again when it cannot be read.
func (in *intake) consume(ctx context.Context) {
	delay, said := time.Second, ""
	for ctx.Err() == nil {
		err := in.h.o.Queue.Consume(ctx, in.h.o.Name, queue.ConsumeOptions{Prefetch: prefetch}, in.take)
		if ctx.Err() != nil || errors.Is(err, queue.ErrClosed) {
			return
		}
		if err != nil && err.Error() != said { // once, however long it lasts
			said = err.Error()
			in.h.log.Warn("reading results for the web hook failed; trying again", "queue", in.h.o.Name, "error", err)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
		delay = min(2*delay, 30*time.Second)
	}
}

// take is called by the queue. It adds the line of a result to what is written next.
func (in *intake) take(d *queue.Delivery) {
	if d.Message == nil {
		in.h.log.Warn("what is in the queue of the web hook is not a result", "queue", d.Queue, "error", d.Err)
		if err := in.h.bury(array(appendStray([]byte{'['}, d.Raw)), "not a result: "+d.Err.Error()); err != nil {
			in.h.log.Error("and it cannot be kept", "error", err)
		}
	}
	in.mu.Lock()
	if d.Message != nil {
		in.lines = appendLine(in.lines, d.Message, in.h.o.Terms().Filter)
		in.count++
		d.Message = nil // it need not be kept until it is settled
	}
	in.taken = append(in.taken, d)
	count, size := len(in.taken), len(in.lines)
	in.mu.Unlock()
	if count == 1 {
		signal(in.wake)
	}
	if size >= gatherSize || count >= prefetch/2 {
		signal(in.urgent)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// flush writes what was gathered, for as long as it takes until ctx ends, and settles it.
func (in *intake) flush(ctx context.Context) {
	in.mu.Lock()
	lines, count, taken := in.lines, in.count, in.taken
	in.lines, in.count, in.taken, in.spare = in.spare[:0], 0, nil, nil
	in.mu.Unlock()
	if len(taken) == 0 {
		return
	}
	if count > 0 && !in.write(ctx, lines, count) {
		return // it comes again from the queue
	}
	in.settle(ctx, taken)
	if cap(lines) <= 2*gatherSize {
		in.mu.Lock()
		in.spare = lines
		in.mu.Unlock()
	}
	in.h.wake()
}

// write appends lines to the journal, and reports false when that could not be done until ctx ended.
func (in *intake) write(ctx context.Context, lines []byte, count int) bool {
	for delay := time.Second; ; delay = min(2*delay, 30*time.Second) {
		lost, err := in.h.journal.append(lines, count)
		in.h.health.journal(err)
		if err == nil {
			if lost > 0 {
				in.h.log.Error("the journal of the web hook is full: the oldest results that were not taken yet are lost",
					"results", lost, "directory", in.h.o.Dir, "bytes", in.h.o.MaxBytes)
			}
			return true
		}
		if delay == time.Second {
			in.h.log.Error("the journal of the web hook cannot be written; results wait in the queue", "error", err)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return false
		}
	}
}

// settle removes from the queue what is in the journal. What cannot be removed comes again, with the same id.
func (in *intake) settle(ctx context.Context, taken []*queue.Delivery) {
	for _, d := range taken {
		for delay := time.Second; ; delay = min(2*delay, 30*time.Second) {
			err := d.Settle(context.WithoutCancel(ctx))
			if err == nil || errors.Is(err, queue.ErrClosed) || errors.Is(err, queue.ErrSettled) || ctx.Err() != nil {
				break
			}
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
		}
	}
}

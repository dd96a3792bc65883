package smtpout

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// errInterrupted says that it was ctx that ended the connection.
var errInterrupted = errors.New("broken off by us")

// watch breaks the connection off when a ctx ends. It registers with a ctx once, however many calls are made with it.
type watch struct {
	raw net.Conn

	mu   sync.Mutex
	done <-chan struct{} // of the ctx registered with
	stop func() bool
	busy bool // a call with it is under way
	cut  bool // the ctx ended during a call
}

// begin starts a call; false means that ctx has ended.
func (w *watch) begin(ctx context.Context) bool {
	done := ctx.Done()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut || ctx.Err() != nil {
		return false
	}
	w.busy = true
	if done == w.done {
		return true
	}
	if w.stop != nil {
		w.stop()
	}
	w.done, w.stop = done, nil
	if done != nil {
		w.stop = context.AfterFunc(ctx, func() { w.interrupt(done) })
	}
	return true
}

func (w *watch) finish() {
	w.mu.Lock()
	w.busy = false
	w.mu.Unlock()
}

// end lets go of the ctx.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
	w.busy = false
}

func (w *watch) interrupt(done <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy && w.done == done {
		w.cut = true
		w.raw.SetDeadline(time.Unix(1, 0))
	}
}

func (w *watch) interrupted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}

// set calls one of the Set…Deadline methods of raw, unless that would undo an interruption.
func (w *watch) set(call func(time.Time) error, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return errInterrupted
	}
	return call(at)
}

// rest runs wait, which reads from the connection without a time-out, until it returns or ctx ends. It reports
// whether the connection lives.
func (w *watch) rest(ctx context.Context, wait func() error) bool {
	if err := w.set(w.raw.SetReadDeadline, time.Time{}); err != nil {
		return false
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		w.raw.SetReadDeadline(time.Unix(1, 0))
		close(fired)
	})
	err := wait()
	if stop() {
		return err == nil
	}
	<-fired // or it would disturb what comes
	return err == nil || isTimeout(err)
}

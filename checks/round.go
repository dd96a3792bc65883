package checks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// round is the work on one mail: one goroutine for each checker, and the caller's own, which alone touches these
// fields.
type round struct {
	runner   *Runner
	ctx      context.Context
	mail     *Mail
	connect  bool
	calls    []*call // by checker; nil: not begun
	results  [][]Result
	over     []bool
	open     int // how many are not over
	finished chan finish
}

// call is one checker at work.
type call struct {
	state    atomic.Int32
	body     *guardedBody
	begun    time.Time
	deadline time.Time // beyond it the call is left behind
	cancel   context.CancelFunc
}

// The states of a call. It moves once, from working to one of the others.
const (
	working int32 = iota
	ended
	abandoned
)

// leftBehind counts the calls of a checker that were abandoned and still hang.
type leftBehind struct{ atomic.Int32 }

type finish struct {
	index   int
	results []Result
}

// run asks the checkers of one stage.
func (r *Runner) run(ctx context.Context, mail *Mail, connect bool) []Result {
	if n := r.lookups(); n > 0 {
		ctx = WithLookups(ctx, n)
	}
	n := len(r.entries)
	w := &round{runner: r, ctx: ctx, mail: mail, connect: connect, calls: make([]*call, n), results: make([][]Result, n),
		over: make([]bool, n), finished: make(chan finish, n)}
	for i, e := range r.entries {
		w.over[i] = (e.connect != nil) != connect
		if !w.over[i] {
			w.open++
		}
	}
	w.begin()
	w.await()
	all := append([]Result(nil), mail.Earlier...)
	for _, results := range w.results {
		all = append(all, results...)
	}
	return all
}

// begin starts every checker that waits for nobody any more.
func (w *round) begin() {
	for again := true; again; { // one that ends at once may be what another waits for
		again = false
		for i, e := range w.runner.entries {
			if !w.over[i] && w.calls[i] == nil && w.ready(e) && !w.start(i, e) {
				again = true
			}
		}
	}
}

func (w *round) ready(e *entry) bool {
	for _, j := range e.after {
		if !w.over[j] {
			return false
		}
	}
	return true
}

// start starts a checker; false: it is over already.
func (w *round) start(i int, e *entry) bool {
	if err := w.ctx.Err(); err != nil {
		w.end(i, []Result{temporary(e.name, "given up before it began")})
		return false
	}
	if e.left.Load() >= maxLeftBehind {
		w.end(i, []Result{temporary(e.name, "too many earlier calls of this check hang")})
		return false
	}
	c := &call{begun: time.Now()}
	c.deadline = c.begun.Add(w.runner.timeout() + grace)
	ctx, cancel := context.WithTimeout(w.ctx, w.runner.timeout())
	c.cancel = cancel
	mail := *w.mail
	if mail.Body != nil {
		c.body = &guardedBody{body: mail.Body, size: mail.Body.Size()}
		mail.Body = c.body
	}
	if len(e.after) > 0 {
		mail.Earlier = append([]Result(nil), mail.Earlier...)
		for _, j := range e.after {
			mail.Earlier = append(mail.Earlier, w.results[j]...)
		}
	}
	w.calls[i] = c
	go func() {
		defer cancel()
		room()
		results := w.runner.ask(ctx, e, &mail)
		if !c.state.CompareAndSwap(working, ended) {
			e.left.Add(-1)
			return
		}
		w.finished <- finish{i, results}
	}()
	return true
}

// room has the stack of a new goroutine grow at once, while there is nothing on it to move: checks need some 8 KiB, and
// would have it doubled and moved three times.
//
//go:noinline
func room() {
	var stack [8 << 10]byte
	runtime.KeepAlive(&stack)
}

// await waits until all are over, by themselves or by force.
func (w *round) await() {
	given := w.ctx.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for w.open > 0 {
		timer.Reset(time.Until(w.nextDeadline()))
		select {
		case f := <-w.finished:
			w.end(f.index, f.results)
			w.begin()
		case <-given:
			given = nil
			w.hurry()
		case <-timer.C:
			w.abandonLate()
			w.begin()
		}
	}
}

func (w *round) nextDeadline() time.Time {
	var next time.Time
	for i, c := range w.calls {
		if c != nil && !w.over[i] && (next.IsZero() || c.deadline.Before(next)) {
			next = c.deadline
		}
	}
	return next
}

// hurry leaves checks that run only the time of grace: nobody wants their results any more.
func (w *round) hurry() {
	soon := time.Now().Add(grace)
	for _, c := range w.calls {
		if c != nil && soon.Before(c.deadline) {
			c.deadline = soon
		}
	}
}

// abandonLate leaves those behind that are beyond their time.
func (w *round) abandonLate() {
	now := time.Now()
	for i, c := range w.calls {
		if c == nil || w.over[i] || now.Before(c.deadline) {
			continue
		}
		e := w.runner.entries[i]
		e.left.Add(1) // before the call can count itself out
		if !c.state.CompareAndSwap(working, abandoned) {
			e.left.Add(-1)
			f := <-w.finished // perhaps of another one; each will be heard
			w.end(f.index, f.results)
			continue
		}
		c.cancel()
		if c.body != nil {
			c.body.takeAway()
		}
		w.runner.logger().Error("check hangs", "check", e.name, "limit", w.runner.timeout())
		w.end(i, []Result{temporary(e.name, "no verdict in time")})
	}
}

func (w *round) end(i int, results []Result) {
	w.results[i], w.over[i] = results, true
	w.open--
	if c := w.calls[i]; c != nil && w.runner.Took != nil && !w.connect {
		w.runner.Took(w.runner.entries[i].name, time.Since(c.begun))
	}
}

// ask calls a checker and makes a result of whatever happens.
func (r *Runner) ask(ctx context.Context, e *entry, mail *Mail) (results []Result) {
	defer func() {
		if p := recover(); p != nil {
			r.logger().LogAttrs(ctx, slog.LevelError, "check panicked", slog.String("check", e.name),
				slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			results = []Result{temporary(e.name, "the check failed")}
		}
	}()
	var err error
	if e.connect != nil {
		results, err = e.connect.CheckConnect(ctx, mail.Client)
	} else {
		results, err = e.Check(ctx, mail)
	}
	if err != nil {
		r.logger().LogAttrs(ctx, slog.LevelWarn, "check failed", slog.String("check", e.name), slog.Any("error", err))
		if len(results) == 0 {
			reason := "the check failed"
			if errors.Is(err, context.DeadlineExceeded) {
				reason = "no verdict in time"
			}
			results = []Result{temporary(e.name, reason)}
		}
	}
	for i := range results {
		complete(&results[i], e.name)
	}
	return results
}

// complete fills in what a checker left out.
func complete(result *Result, name string) {
	if result.Check == "" {
		result.Check = name
	}
	if result.Verdict == "" {
		result.Verdict = None
	}
	if len(result.JSON) == 0 {
		result.JSON = NewObject(result.Check, string(result.Verdict)).JSON()
	}
}

// temporary is the result of a check that could not be done now.
func temporary(check, reason string) Result {
	return Result{Check: check, Verdict: TempError, Reason: reason, JSON: NewObject(check, string(TempError)).JSON()}
}

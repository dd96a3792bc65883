package delivery

import (
	"context"
	"sync/atomic"
)

// life is that of an engine: until it stops it begins new work, until it breaks off it finishes what was begun.
type life struct {
	ctx, work      context.Context
	cancel, noWork context.CancelFunc
	ends           atomic.Bool // set before work ends
}

func (l *life) begin() {
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.work, l.noWork = context.WithCancel(l.ctx)
}

// stop has nothing new begin.
func (l *life) stop() {
	l.ends.Store(true)
	l.noWork()
}

// breakOff ends everything at once.
func (l *life) breakOff() {
	l.ends.Store(true)
	l.cancel()
}

// stopping reports whether nothing new is to begin; broken, whether everything breaks off.
func (l *life) stopping() bool { return l.ends.Load() }
func (l *life) broken() bool   { return l.ctx.Err() != nil }

// untilStop returns a ctx that ends when nothing new is to begin; untilBreak, one that ends when everything breaks off.
func (l *life) untilStop() context.Context  { return l.work }
func (l *life) untilBreak() context.Context { return l.ctx }

package redis

import (
	"container/heap"
	"context"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// gather is how long the loop waits for more to ask about, so that one round trip serves many.
const gather = time.Millisecond

// maxJump is by how much the store's clock may differ from ours in a minute before it counts as having been set.
const maxJump = int64(time.Second / time.Microsecond)

// loop asks the store. What is not marked otherwise is used by its goroutine alone.
type loop struct {
	t     *Throttler
	store store

	mu    sync.Mutex
	lanes laneHeap      // guarded by mu
	awake chan struct{} // something is due before it was

	epoch   int64  // of the store; zero: none is known
	members int    // instances, as last seen
	reset   string // what the next call is to end
	ours    int64  // our time, and
	theirs  int64  // theirs, at the last answer
	away    bool
	heard   int64 // when the store was last asked
}

// schedule has the loop look at a lane at a time, or earlier.
func (p *loop) schedule(l *lane, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case l.index == 0:
		l.at = at
		heap.Push(&p.lanes, l)
	case at < l.at:
		l.at = at
		heap.Fix(&p.lanes, l.index-1)
	}
	if p.lanes[0] == l {
		select {
		case p.awake <- struct{}{}:
		default:
		}
	}
}

// next returns when the next lane is due.
func (p *loop) next() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lanes) == 0 {
		return math.MaxInt64
	}
	return p.lanes[0].at
}

// due returns the lanes that are.
func (p *loop) due(now int64) (lanes []*lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.lanes) > 0 && p.lanes[0].at <= now {
		lanes = append(lanes, heap.Pop(&p.lanes).(*lane))
	}
	return lanes
}

// run asks until ctx ends, then gives everything back.
func (p *loop) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	sweep := p.t.now()
	for ctx.Err() == nil {
		now := p.t.now()
		if wait := min(p.next(), p.heard+int64(beat)) - now; wait > 0 {
			timer.Reset(time.Duration(wait))
			select {
			case <-ctx.Done():
			case <-p.awake:
			case <-timer.C:
			}
			continue
		}
		timer.Reset(gather)
		select {
		case <-ctx.Done():
			continue
		case <-timer.C:
		}
		p.turn(ctx)
		if now -= sweep; now > int64(time.Minute) {
			sweep += now
			p.t.accounts.sweep(sweep)
		}
	}
	p.leave()
}

// turn makes one exchange about all that is due.
func (p *loop) turn(ctx context.Context) {
	now := p.t.now()
	lanes := p.due(now)
	if p.away && now < p.heard+int64(beat) {
		return // it is asked again with the next beat; whatever is wanted is found then
	}
	c := call{reset: p.reset}
	for _, l := range lanes {
		l.account.mu.Lock()
		if o, ok := l.request(p.t, now); ok {
			c.ops = append(c.ops, o)
		}
		l.account.mu.Unlock()
	}
	if len(c.ops) == 0 && now < p.heard+int64(beat) {
		return
	}
	p.heard = now
	bounded, cancel := context.WithTimeout(ctx, p.t.timeout)
	h, answers, err := p.store.exchange(bounded, c)
	cancel()
	received := p.t.now()
	if err == nil && received-now > int64(p.t.timeout) {
		err = context.DeadlineExceeded
	}
	if err != nil {
		p.lost(c.ops, err, ctx.Err() != nil)
		return
	}
	p.reset = ""
	if p.jumped(h, now, received) {
		p.lost(c.ops, nil, true)
		return
	}
	p.learn(h)
	var tell throttle.PathSet
	for i := range c.ops {
		o := &c.ops[i]
		o.lane.account.mu.Lock()
		tell.Join(o.lane.answered(p.t, o, answers[i], now, received))
		o.lane.account.mu.Unlock()
	}
	p.t.listen.Tell(tell)
}

// jumped reports whether the store's clock was set since the last answer. Its epoch ends then.
func (p *loop) jumped(h header, sent, received int64) bool {
	ours, theirs := p.ours, p.theirs
	p.ours, p.theirs = (sent+received)/2, h.now
	if ours == 0 || p.ours-ours > int64(time.Minute) || h.epoch != p.epoch {
		return false
	}
	drift := (p.theirs - theirs) - (p.ours-ours)/int64(time.Microsecond)
	if drift < maxJump && drift > -maxJump {
		return false
	}
	p.reset = strconv.FormatInt(h.epoch, 10)
	p.heard = 0
	return true
}

// lost forgets what was asked. Without a quiet reason the store is away from now on.
func (p *loop) lost(ops []op, err error, quiet bool) {
	for i := range ops {
		l := ops[i].lane
		l.account.mu.Lock()
		l.asked = false
		if l.kind == kindSlots || l.hungry {
			p.schedule(l, p.t.now()+int64(firstPoll))
		}
		l.account.mu.Unlock()
	}
	if quiet || p.away {
		return
	}
	p.away = true
	p.t.setShare(p.fallback())
	p.t.logger.Warn("limits are not shared: redis is away", "share", p.fallback(), "error", err)
	p.t.listen.Tell(throttle.PathSet{All: true})
}

// fallback is the share of the limits that this instance keeps to by itself.
func (p *loop) fallback() float64 {
	if p.t.fixed > 0 {
		return min(p.t.fixed, 1)
	}
	return 1 / float64(max(1, p.members))
}

// learn takes in what the store says about itself.
func (p *loop) learn(h header) {
	knew := p.epoch != 0
	young := h.age < settling
	if young {
		p.members = max(p.members, h.members)
	} else {
		p.members = h.members
	}
	declare := p.away || h.epoch != p.epoch
	p.epoch = h.epoch
	if declare {
		now := p.t.now()
		p.t.accounts.each(func(l *lane) {
			l.undeclared = l.undeclared || l.spent > 0
			l.lapsed = nil
			p.schedule(l, now)
		})
	}
	share := 0.0
	if young && (knew || p.away) && (p.t.share() > 0 || declare) {
		share = p.fallback()
	}
	back := p.away
	p.away = false
	if p.t.setShare(share) {
		p.t.listen.Tell(throttle.PathSet{All: true})
	}
	if back {
		p.t.logger.Info("limits are shared again", "instances", p.members)
	}
	if young {
		p.heard = min(p.heard, p.t.now()-int64(beat)+int64(settling-h.age)) // come back when it ends
	}
}

// leave gives everything back and says good-bye.
func (p *loop) leave() {
	if p.away || p.epoch == 0 {
		return
	}
	var c call
	now := p.t.now() + int64(leaseLife)
	p.t.accounts.each(func(l *lane) {
		l.hungry, l.pressed = false, true
		for range maxLapsed {
			l.asked = false
			if o, ok := l.request(p.t, now); ok {
				o.want, o.age = 0, -1
				c.ops = append(c.ops, o)
			}
			if l.kind == kindSlots {
				return
			}
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), p.t.timeout)
	defer cancel()
	_, _, _ = p.store.exchange(ctx, c) // what it does not hear of lapses
}

// laneHeap has the lane that is due first in front.
type laneHeap []*lane

func (h laneHeap) Len() int           { return len(h) }
func (h laneHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h laneHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

// Push is for package heap.
func (h *laneHeap) Push(x any) {
	l := x.(*lane)
	*h = append(*h, l)
	l.index = len(*h)
}

// Pop is for package heap.
func (h *laneHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.index = 0
	return l
}

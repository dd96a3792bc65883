package aside

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/locks"
	"github.com/sluicemail/sluice/queue"
)

// Registry remembers what is parked. Its fields must be set, and not changed, before Init; all methods may be called at
// once by many, with locks held that come before it, and none but Run waits.
type Registry struct {
	Queue  queue.Parker // nil: the queue cannot park, and messages come back by themselves
	Outbox string       // the name of the queue
	Logger *slog.Logger
	// Room returns how many messages that were held may be fetched now.
	Room func() int

	now     func() time.Time
	wake    chan struct{} // one place
	flowing atomic.Int64  // keys of which messages are being fetched that were held

	mu       locks.Mutex[locks.Aside]
	orders   []order // of shelves, first come first served
	holds    map[string]*hold
	freed    map[string]*hold // keys to be fetched, with nil
	recheck  bool             // ask the samples
	overflow bool             // there were more keys than are remembered
	end      time.Time        // of the first reason that ends by itself
	barred   time.Time        // nothing held is fetched before; of Run alone
}

// Init makes a registry ready.
func (r *Registry) Init() {
	r.now = time.Now
	r.wake = make(chan struct{}, 1)
	r.holds = make(map[string]*hold)
	r.freed = make(map[string]*hold)
}

// Run fetches what comes back until ctx ends.
func (r *Registry) Run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Stop()
		if at := r.round(ctx); !at.IsZero() {
			timer.Reset(time.Until(at))
		}
		select {
		case <-r.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *Registry) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// pace is the time between two pieces of what was held.
const pace = 50 * time.Millisecond

// again is the pause after the queue could not be asked.
const again = 5 * time.Second

// round does what is due, and returns when there will be more to do; zero: when somebody says so.
func (r *Registry) round(ctx context.Context) time.Time {
	now := r.now()
	if due, freed := r.due(now); due || len(freed) > 0 {
		if due {
			r.review(ctx, freed)
		}
		r.begin(ctx, freed)
	}
	r.serve(ctx)
	r.mu.Lock()
	next := r.end
	r.mu.Unlock()
	if r.flowing.Load() > 0 {
		r.release(ctx)
		at := now.Add(pace)
		if r.barred.After(at) {
			at = r.barred
		}
		if sooner(at, next) {
			next = at
		}
	}
	return next
}

// due reports whether samples are to be asked, and takes the keys that were freed without.
func (r *Registry) due(now time.Time) (review bool, freed map[string]*hold) {
	r.mu.Lock()
	defer r.mu.Unlock()
	review = r.recheck || !r.end.IsZero() && !now.Before(r.end)
	r.recheck = false
	freed, r.freed = r.freed, make(map[string]*hold)
	return review, freed
}

// serve asks the queue for what shelves have ordered, but for keys that are held by now.
func (r *Registry) serve(ctx context.Context) {
	r.mu.Lock()
	orders := r.orders
	r.orders = nil
	for i := range orders {
		orders[i].keys = slices.DeleteFunc(orders[i].keys, r.covers)
	}
	r.mu.Unlock()
	for _, o := range orders {
		total, empty, err := r.unpark(ctx, o.keys, o.n)
		if err != nil && ctx.Err() == nil {
			r.Logger.Warn("fetching parked messages failed; trying again", "for", o.shelf.owner.String(), "error", err, "in",
				again)
		}
		o.shelf.served(&o, total, empty, err)
		o.shelf.owner.Served()
	}
}

// unpark fetches about n messages, taking the keys in turn. It returns how many are on their way, and the keys that
// have no more.
func (r *Registry) unpark(ctx context.Context, keys []string, n int) (total int, empty []string, err error) {
	if r.Queue == nil {
		return 0, keys, nil
	}
	for i, key := range keys {
		share := max(1, (n-total)/(len(keys)-i))
		got, err := r.Queue.Unpark(ctx, r.Outbox, key, share)
		if err != nil {
			return total, empty, err
		}
		total += got
		if got < share {
			empty = append(empty, key)
		}
	}
	return total, empty, nil
}

// sooner reports whether the time a comes before b, where zero means never.
func sooner(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

package checks

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	defaultWatch = time.Minute
	probeTime    = 20 * time.Second
)

// Prober is a checker that stands for a service, and can find out how that is.
type Prober interface {
	Name() string
	State() State
	Probe(ctx context.Context) (State, error)
	// Changed is [Service.Changed].
	Changed() <-chan struct{}
}

// Watch probes services, at once and then every interval (zero: a minute), until ctx ends: so that their State is true
// even while no mail comes. The log (nil: silence) tells when one goes down or comes back: at once when a mail finds
// that out, though only once an interval, or a service that answers every other mail would fill the log.
func Watch(ctx context.Context, interval time.Duration, log *slog.Logger, services ...Prober) {
	if interval <= 0 {
		interval = defaultWatch
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, s := range services {
		all.Go(func() { watch(ctx, interval, log, s) })
	}
}

func watch(ctx context.Context, interval time.Duration, log *slog.Logger, s Prober) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	up, first := false, true
	note := func(state State) (changed bool) {
		if state.Since.IsZero() || (!first && state.Up == up) {
			return false
		}
		up, first = state.Up, false
		tell(ctx, log, s.Name(), state)
		return true
	}
	for {
		state := probeOnce(ctx, s)
		if ctx.Err() != nil {
			return
		}
		note(state)
		if !untilTick(ctx, tick, s, note) {
			return
		}
	}
}

// untilTick waits for the next tick and has the first change until then noted; false: ctx has ended.
func untilTick(ctx context.Context, tick *time.Ticker, s Prober, note func(State) bool) bool {
	changed := s.Changed()
	for {
		select {
		case <-changed:
			if note(s.State()) {
				changed = nil
			}
		case <-tick.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

func probeOnce(ctx context.Context, s Prober) State {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	state, _ := s.Probe(ctx) // the state has what went wrong
	return state
}

func tell(ctx context.Context, log *slog.Logger, name string, s State) {
	if s.Up {
		log.LogAttrs(ctx, slog.LevelInfo, "scanner works", slog.String("check", name), slog.String("address", s.Address),
			slog.String("version", s.Version), slog.String("data", s.Data))
		return
	}
	log.LogAttrs(ctx, slog.LevelWarn, "scanner is down", slog.String("check", name), slog.String("address", s.Address),
		slog.String("problem", s.Problem))
}

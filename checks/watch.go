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
}

// Watch probes services, at once and then every interval (zero: a minute), until ctx ends: so that their State is true
// even while no mail comes, and the log (nil: silence) tells when one goes down or comes back.
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
	for {
		state := probeOnce(ctx, s)
		if ctx.Err() != nil {
			return
		}
		if !state.Since.IsZero() && (first || state.Up != up) {
			tell(ctx, log, s.Name(), state)
			up, first = state.Up, false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
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

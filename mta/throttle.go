package mta

import (
	"context"
	"fmt"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
	"github.com/sluicemail/sluice/throttle/redis"
	"github.com/sluicemail/sluice/throttle/rules"
)

// limits is what decides how fast mail may leave.
type limits struct {
	live     *rules.Live        // those of the settings database, with floods and warm-ups
	counted  *local.Throttler   // counts in this process, by the configuration and by live
	throttle throttle.Throttler // counted, what shares its limits with other instances, or one's own
}

// openLimits makes the throttle: the limits of the configuration, and above them those of the settings database; shared
// with other instances where redis-address says so.
func openLimits(b *base, settings *snapshot.Keeper, own throttle.Throttler) (*limits, error) {
	live := &rules.Live{Days: &snapshot.Days{Keeper: settings}, Location: time.Local, Logger: b.log}
	counted := local.New(limitTable(b.cfg, live))
	live.Attach(counted.Invalidate)
	var current *rules.Set
	settings.OnChange(func(s *snapshot.Snapshot) {
		if s.Throttles != current {
			current = s.Throttles
			live.Set(current)
		}
	})
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- live.Run(running) }()
	b.onClose(func() error {
		defer live.Close()
		stop()
		if err := <-ended; err != nil {
			b.log.Warn("how far warm-ups are is not stored", "error", err)
		}
		return nil
	})
	l := &limits{live, counted, counted}
	switch {
	case own != nil:
		l.throttle = own
	case len(b.cfg.RedisAddress) > 0:
		shared, err := redis.New(counted, b.cfg.RedisAddress, redis.Options{Logger: b.log})
		if err != nil {
			return nil, misconfigured{fmt.Errorf("redis-address: %w", err)}
		}
		b.onClose(shared.Close)
		l.throttle = shared
	}
	return l, nil
}

// explain tells why mail waits for limits.
func (l *limits) explain(path throttle.Path) throttle.Explanation {
	if e, ok := l.throttle.(throttle.Explainer); ok {
		return e.Explain(path)
	}
	return l.counted.Explain(path)
}

// limitTable is the limits of the configuration with the rules of the settings above them.
func limitTable(cfg *config.Config, live *rules.Live) *local.Table {
	return &local.Table{Base: baseLimits(cfg), Rules: live}
}

// baseLimits are the throttles of the configuration.
func baseLimits(cfg *config.Config) throttle.Limits {
	security := queue.Opportunistic
	if !cfg.ConnectionSecure {
		security = queue.Optional
	}
	idle := cfg.ConnectionMaxIdle
	if idle == 0 {
		idle = -1 // closed as soon as there is no work
	}
	return local.Configuration{
		DomainMaxMessages:    int64(cfg.DomainMaxMessages),
		DomainMaxConnects:    int64(cfg.DomainMaxConnects),
		DomainMaxConnections: cfg.DomainMaxConnections,
		DomainMaxQueue:       cfg.DomainMaxQueue,
		IPMaxMessages:        int64(cfg.IPMaxMessages),
		IPMaxConnects:        int64(cfg.IPMaxConnects),
		IPMaxConnections:     cfg.IPMaxConnections,
		ConnMaxMessages:      cfg.ConnectionMaxMessages,
		ConnMaxIdle:          idle,
		Security:             string(security),
	}.Limits()
}

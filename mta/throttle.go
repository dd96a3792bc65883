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

// openThrottle makes the throttle: the limits of the configuration, and above them those of the settings database.
func (a *app) openThrottle(cfg *config.Config) error {
	a.limits = &rules.Live{Days: &snapshot.Days{Keeper: a.settings}, Location: time.Local, Logger: a.log}
	a.throttle = local.New(a.limitTable(cfg))
	a.limiter = a.throttle
	a.limits.Attach(a.throttle.Invalidate)
	var current *rules.Set
	a.settings.OnChange(func(s *snapshot.Snapshot) {
		if s.Throttles != current {
			current = s.Throttles
			a.limits.Set(current)
		}
	})
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.limits.Run(running) }()
	a.onClose(func() error {
		defer a.limits.Close()
		stop()
		if err := <-ended; err != nil {
			a.log.Warn("how far warm-ups are is not stored", "error", err)
		}
		return nil
	})
	return a.shareLimits(cfg)
}

// shareLimits shares the limits with other instances, where redis-address says so.
func (a *app) shareLimits(cfg *config.Config) error {
	if len(cfg.RedisAddress) == 0 {
		return nil
	}
	shared, err := redis.New(a.throttle, cfg.RedisAddress, redis.Options{Logger: a.log})
	if err != nil {
		return misconfigured{fmt.Errorf("redis-address: %w", err)}
	}
	a.limiter = shared
	a.onClose(shared.Close)
	return nil
}

// explainer tells why mail waits for limits.
func (a *app) explainer() throttle.Explainer {
	if e, ok := a.limiter.(throttle.Explainer); ok {
		return e
	}
	return a.throttle
}

// limitTable is the limits of the configuration with the rules of the settings above them.
func (a *app) limitTable(cfg *config.Config) *local.Table {
	return &local.Table{Base: baseLimits(cfg), Rules: a.limits}
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

package main

import (
	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle/local"
)

// baseLimits are the throttles of the configuration.
func baseLimits(cfg *config.Config) *local.Table {
	security := queue.Opportunistic
	if !cfg.ConnectionSecure {
		security = queue.Optional
	}
	idle := cfg.ConnectionMaxIdle
	if idle == 0 {
		idle = -1 // closed as soon as there is no work
	}
	return &local.Table{Base: local.Configuration{
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
	}.Limits()}
}

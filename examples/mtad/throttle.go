package main

import (
	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/throttle"
)

func (a *app) openThrottle(cfg *config.Config) { a.throttle = throttle.Unlimited }
func (a *app) setThrottle(cfg *config.Config)  {}

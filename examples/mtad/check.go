package main

import (
	"errors"
	"os/user"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/monitor/logfile"
)

// check judges the values that only the packages behind them understand, before anything is opened.
func check(cfg *config.Config, complain func(key, want string, cause error)) {
	for _, l := range []struct {
		key     string
		options logfile.Options
	}{
		{"send-log-format", logfile.Options{Send: logfile.Target{Format: cfg.SendLogFormat}}},
		{"received-log-format", logfile.Options{Received: logfile.Target{Format: cfg.ReceivedLogFormat}}},
		{"download-log-format", logfile.Options{Download: logfile.Target{Format: cfg.DownloadLogFormat}}},
		{"www-log-format", logfile.Options{WWW: logfile.Target{Format: cfg.WWWLogFormat}}},
	} {
		if err := l.options.Check(); err != nil {
			if template, ok := errors.AsType[*logfile.TemplateError](err); ok {
				err = template
			}
			complain(l.key, "a template such as [{$date}] {if $name}{$name}{/if}", err)
		}
	}
	checkRabbit(cfg, complain)
	checkStorage(cfg, complain)
	if cfg.SMTPRoutes != "" {
		if _, err := mx.ReadRoutes(cfg.SMTPRoutes); err != nil {
			complain("smtp-routes", "a file of domain:relay:port lines", err)
		}
	}
	if cfg.User != "" {
		if _, err := user.Lookup(cfg.User); err != nil {
			complain("user", "a user of this machine", nil)
		}
	}
}

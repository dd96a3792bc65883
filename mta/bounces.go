package mta

import (
	"cmp"
	"fmt"
	"os"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery/dsn"
)

// openNotifier makes what tells senders what became of their mail.
func openNotifier(b *base) (*dsn.Notifier, error) {
	texts, err := bounceTexts(b.cfg)
	if err != nil {
		return nil, misconfigured{fmt.Errorf("bounce-texts: %w", err)}
	}
	perHour := b.cfg.BounceLimit
	if perHour == 0 {
		perHour = -1
	}
	return &dsn.Notifier{
		Host:       cmp.Or(b.cfg.BounceHost, b.cfg.HELO()),
		From:       b.cfg.BounceFrom,
		DoubleTo:   b.cfg.DoubleBounceTo,
		DoubleHost: b.cfg.DoubleBounceHost,
		Notify:     b.cfg.DSNNotify,
		Ret:        b.cfg.DSNRet,
		DelayAfter: b.cfg.BounceDelay,
		PerHour:    perHour,
		Texts:      texts,
		Logger:     b.log,
	}, nil
}

// bounceTexts are what bounces say; nil: the built-in texts.
func bounceTexts(cfg *config.Config) (*dsn.Texts, error) {
	if cfg.BounceTexts == "" {
		return nil, nil
	}
	if _, err := os.Stat(cfg.BounceTexts); err != nil {
		return nil, err
	}
	texts, err := dsn.ReadTexts(os.DirFS(cfg.BounceTexts))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.BounceTexts, err)
	}
	return texts, nil
}

package mta

import (
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery/receivers"
)

// book is what is known about receivers: the standard rules, with those of receivers-file before them.
type book struct {
	current atomic.Pointer[receivers.Book]
	log     *slog.Logger
}

func openBook(b *base) (*book, error) {
	k := &book{log: b.log}
	if err := k.set(b.cfg); err != nil {
		return nil, misconfigured{err}
	}
	return k, nil
}

// set reads the file of a configuration. What makes no sense in it is logged and left out; an error is that it cannot
// be read, and nothing is changed then.
func (k *book) set(cfg *config.Config) error {
	known, problems, err := readBook(cfg)
	if err != nil {
		return fmt.Errorf("receivers-file: %w", err)
	}
	for _, p := range problems {
		k.log.Warn("left out of the rules about receivers", "problem", p.Error())
	}
	k.current.Store(known)
	return nil
}

func readBook(cfg *config.Config) (*receivers.Book, []receivers.Problem, error) {
	if cfg.ReceiversFile == "" {
		return receivers.Standard(), nil, nil
	}
	data, err := os.ReadFile(cfg.ReceiversFile)
	if err != nil {
		return nil, nil, err
	}
	known, problems := receivers.Extend(cfg.ReceiversFile, string(data))
	return known, problems, nil
}

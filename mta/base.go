package mta

import (
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/sluicemail/sluice/config"
)

// base is what every part is opened with.
type base struct {
	cfg    *config.Config                 // of the start
	config *atomic.Pointer[config.Config] // in force: a reload changes it
	log    *slog.Logger
	user   *account // that the program becomes; nil: none
	opened *closers
}

func newBase(cfg *config.Config, log *slog.Logger, u *account) *base {
	b := &base{cfg: cfg, config: new(atomic.Pointer[config.Config]), log: log, user: u, opened: new(closers)}
	b.config.Store(cfg)
	return b
}

// onClose has something done when everything is closed, before what was said earlier.
func (b *base) onClose(f func() error) { *b.opened = append(*b.opened, f) }

// closers close what was opened, in the order of opening.
type closers []func() error

// close closes the last first.
func (c *closers) close() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i]())
	}
	*c = nil
	return errors.Join(errs...)
}

// bell calls a part that is opened later; until it is connected, ringing it comes to nothing.
type bell struct{ to atomic.Pointer[func()] }

func (b *bell) ring() {
	if f := b.to.Load(); f != nil {
		(*f)()
	}
}

func (b *bell) connect(f func()) { b.to.Store(&f) }

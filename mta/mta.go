package mta

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// Options take the place of parts that the configuration would make. The zero Options change nothing.
type Options struct {
	// Queue keeps the messages. Shutdown leaves it open. Spooled mails and copies of the settings lie in the directory
	// of queue-address all the same. Nil: that of rabbitmq-address or queue-address.
	Queue queue.Queue
	// Authenticator says who may log in to send mail. A memory for who was accepted and a guard against guessing are put
	// in front of it. Nil: the back ends of smtp-auth.
	Authenticator auth.Authenticator
	// Checkers look at mail that comes in. Nil: those of smtp-check.
	Checkers []checks.Checker
	// Throttler says how fast mail may leave. Nil: the limits of configuration and settings, shared over redis-address.
	Throttler throttle.Throttler
	// Sender opens the connections over which mail leaves for other hosts. Nil: SMTP.
	Sender delivery.Sender
	// Monitor is told what happens, as are the console and the log files. Nil: nobody else is told.
	Monitor monitor.Monitor
	// Logger hears what an operator should know. Nil: application-log.
	Logger *slog.Logger
	// Report is what Load said of the configuration: its warnings are logged. Nil: there is nothing to log.
	Report *config.Report
}

// MTA is a mail transfer agent. Its methods are safe for concurrent use.
type MTA struct {
	log    *appLog
	config *atomic.Pointer[config.Config] // in force
	opened *closers

	*common
	*outgoing
	*incoming

	services    *services
	report      *config.Report // on the configuration of the start; nil: nothing to say
	definitions definitions
	takes       atomic.Bool // mail is taken and delivered

	begun  atomic.Bool
	ready  chan struct{}
	asked  chan struct{} // Shutdown was called
	asking atomic.Bool
	ended  chan struct{} // everything is closed
	failed error         // why, or what that failed with
}

// Open opens everything that a configuration names, in an order that lets it drop privileges early: ports are bound
// first, and let clients in last. When ctx ends before all is open, Open fails with its error.
func Open(ctx context.Context, cfg *config.Config, o Options) (_ *MTA, err error) {
	user, err := serviceAccount(cfg)
	if err != nil {
		return nil, misconfigured{err}
	}
	log, err := openAppLog(cfg, o.Logger, user)
	if err != nil {
		return nil, misconfigured{err}
	}
	b := newBase(cfg, log.Logger, user)
	defer func() {
		if err != nil {
			err = b.abandon(ctx, err)
			_ = log.close()
		}
	}()
	profile(b)
	warn(b, o.Report)

	if err := pidFile(b); err != nil {
		return nil, err
	}
	c, err := openCommon(ctx, b, o, log)
	if err != nil {
		return nil, err
	}
	out, err := openOutgoing(ctx, b, c, o)
	if err != nil {
		return nil, err
	}
	in, err := openIncoming(ctx, b, c, o.Checkers)
	if err != nil {
		return nil, err
	}
	m := &MTA{log: log, config: b.config, opened: b.opened, common: c, outgoing: out, incoming: in,
		services: &services{begun: time.Now()}, report: o.Report,
		ready: make(chan struct{}), asked: make(chan struct{}), ended: make(chan struct{})}
	pages, err := m.openConsole(b)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := c.ports.listen(); err != nil {
		return nil, err
	}
	m.serveConsole(b, pages)
	return m, nil
}

// abandon closes what is open already, and returns why nothing more is opened.
func (b *base) abandon(ctx context.Context, err error) error {
	err = errors.Join(err, b.opened.close())
	if ctx.Err() != nil {
		b.log.Info("stopped before all was open")
		return context.Cause(ctx)
	}
	b.log.Error("cannot start", "error", err)
	return err
}

// warn logs what there is to say about the configuration.
func warn(b *base, r *config.Report) {
	if r == nil {
		return
	}
	for _, w := range r.Warnings {
		level := slog.LevelWarn
		if w.Info {
			level = slog.LevelInfo
		}
		b.log.Log(context.Background(), level, w.String())
	}
	if len(r.Files) == 0 {
		b.log.Info("no configuration file: listening on loopback only, for trying out")
	}
}

// Reopen opens the log files anew, after a program moved them.
func (m *MTA) Reopen() { m.records.log.Reopen() }

// Reload puts of another configuration in force what can change while mail flows, and reads the settings database and
// the files that the configuration names again. After an error everything is as before.
func (m *MTA) Reload(cfg *config.Config) error {
	routes, err := readRoutes(cfg)
	if err != nil {
		return err
	}
	if err := m.book.set(cfg); err != nil {
		return err
	}
	if err := m.hooks.set(cfg); err != nil {
		return err
	}
	old := m.config.Swap(cfg)
	m.log.set(cfg)
	m.ways.file(routes)
	m.doors.Store(newAccess(cfg))
	m.screens.set(cfg)
	m.limits.counted.Set(limitTable(cfg, m.limits.live))
	m.finder.Forget()
	reloadSettings(m.settings)
	changed, later := config.Changed(old, cfg)
	m.log.Info("configuration read again", "changed", len(changed)+len(later))
	if len(later) > 0 {
		m.log.Warn("these changes take effect at the next start", "keys", later)
	}
	return nil
}

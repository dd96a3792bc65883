package mta

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/logfile"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/monitor/prometheus"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/rabbitmq/cluster"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
	"github.com/sluicemail/sluice/throttle/rules"
)

// app is the running program. What a reload may change lies behind atomic pointers.
type app struct {
	log    *slog.Logger
	appLog *appLog
	config atomic.Pointer[config.Config]
	ways   ways
	access atomic.Pointer[access]

	screening atomic.Pointer[screening]

	queue       queue.Queue
	storage     *bodystore.Store // nil: mails are in the queue
	closers     []func() error   // in the order of opening; closed backwards
	sockets     []net.Listener
	server      *smtpin.Server
	engine      *delivery.Engine
	resolver    *resolver.Resolver
	finder      *mx.Finder
	throttle    *local.Throttler
	limiter     throttle.Throttler // throttle, or what shares its limits with other instances
	limits      *rules.Live
	finish      func(context.Context, *queue.Message) (queue.Body, error) // of every mail, just before it is sent
	live        *monitor.Live
	logs        *logfile.Log
	extract     bool // the logs tell of the property extracted
	monitor     monitor.Monitor
	login       *auth.Limit // nil: nobody can log in
	settings    *snapshot.Keeper
	slots       *throttle.Slots
	metrics     *prometheus.Metrics
	cluster     *cluster.Member // nil: there is none
	started     atomic.Bool     // the engine is there, and runs
	face        face
	tail        *logsearch.Tail
	services    services
	definitions definitions
}

// open opens everything, ports first, so that privileges can be dropped before any file is made.
func open(cfg *config.Config, report *config.Report, log *appLog) (a *app, err error) {
	a = &app{log: log.Logger, appLog: log}
	a.config.Store(cfg)
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	steps := []func(*config.Config) error{a.pidFile, a.openLogin, a.listen, a.listenConsole, a.dropPrivileges, a.openLogs,
		a.openQueue,
		a.openStorage, a.openSettings, a.openCluster, a.openDelivery, a.openChecks, a.openIntake, a.openConsole}
	if len(report.Files) == 0 {
		log.Info("no configuration file: listening on loopback only, for trying out")
	}
	for _, step := range steps {
		if err := step(cfg); err != nil {
			return a, err
		}
	}
	return a, nil
}

// serve runs intake and delivery until it is told to stop, then ends them in order: no new clients, sessions finish,
// mails on their way finish, the queue closes. control runs beside it and gets the function that stops;
// ready is called when all is served.
func (a *app) serve(control func(context.CancelCauseFunc), ready func() error) error {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	go control(stop)
	delivering := make(chan error, 1)
	a.started.Store(true)
	go func() { delivering <- a.engine.Run(context.Background()) }()
	for i, socket := range a.sockets {
		go func() {
			if err := a.server.ServeListener(socket, a.server.Listeners[i]); !errors.Is(err, smtpin.ErrServerClosed) {
				stop(fmt.Errorf("listening on %s: %w", socket.Addr(), err))
			}
		}()
		a.log.Info("listening", "address", socket.Addr().String(), "policy", a.server.Listeners[i].Name)
	}
	a.face.ready.Store(true)
	if err := ready(); err != nil {
		stop(fmt.Errorf("daemon: %w", err))
	}
	var failed error
	select {
	case <-ctx.Done():
		if failed = context.Cause(ctx); errors.Is(failed, errStop) {
			failed = nil
		}
	case failed = <-delivering:
		delivering <- nil
	}
	return errors.Join(failed, a.stop(delivering))
}

// stop drains and closes everything within drainTime.
func (a *app) stop(delivering <-chan error) error {
	a.face.ready.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	// Sessions may take half of the time, so that delivery has the other half.
	sessions, release := context.WithTimeout(ctx, drainTime/2)
	defer release()
	if err := a.server.Shutdown(sessions); err != nil {
		a.log.Warn("sessions did not end in time and were cut off", "error", err)
		a.server.Close()
	}
	if err := a.engine.Shutdown(ctx); err != nil {
		a.log.Warn("deliveries did not end in time and were cut off; their messages stay in the queue", "error", err)
	}
	return errors.Join(<-delivering, a.close())
}

// close closes what was opened, the last first.
func (a *app) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

func (a *app) onClose(f func() error) { a.closers = append(a.closers, f) }

// reload reads the configuration again and puts in force what can change while mail flows.
func (a *app) reload(args, environ []string) {
	a.logs.Reopen()
	cfg, report, err := config.Load(startSources(args, environ))
	if err != nil {
		a.log.Error("the configuration is wrong; the old one stays in force", "error", err)
		return
	}
	old := a.config.Load()
	routes, err := readRoutes(cfg)
	if err != nil {
		a.log.Error("the configuration is wrong; the old one stays in force", "error", err)
		return
	}
	a.config.Store(cfg)
	a.ways.file(routes)
	a.access.Store(newAccess(cfg))
	a.screen(cfg)
	a.throttle.Set(a.limitTable(cfg))
	a.finder.Forget()
	a.reloadSettings()
	changed, later := config.Changed(old, cfg)
	a.log.Info("configuration read again", "changed", len(changed)+len(later), "files", report.Files)
	if len(later) > 0 {
		a.log.Warn("these changes take effect at the next start", "keys", later)
	}
}

// reloadSettings reads the settings database again.
func (a *app) reloadSettings() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a.settings.Reload(ctx) // what fails is logged, and the settings in force stay so
}

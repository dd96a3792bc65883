package mta

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/edit"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/queue/disk"
)

// queueDir is the directory of the embedded queue.
func queueDir(cfg *config.Config) string {
	return strings.TrimPrefix(cfg.QueueAddress, "disk://")
}

// openQueue opens the queues of rabbitmq-address, or the embedded one.
func (a *app) openQueue(cfg *config.Config) error {
	if len(cfg.RabbitMQAddress) > 0 {
		return a.openRabbit(cfg)
	}
	dir, ok := strings.CutPrefix(cfg.QueueAddress, "disk://")
	if !ok || dir == "" {
		return fmt.Errorf("queue-address: expected disk:///a/directory, got %q", cfg.QueueAddress)
	}
	q, err := disk.Open(dir, disk.Options{Log: a.log})
	if err != nil {
		return fmt.Errorf("queue-address: %w", err)
	}
	a.log.Info("queue opened", "directory", dir)
	a.queue = q
	a.onClose(q.Close)
	return nil
}

// openDelivery makes everything from the resolver to the engine.
func (a *app) openDelivery(cfg *config.Config) error {
	var err error
	if a.resolver, err = resolver.New(resolverOptions(cfg)); err != nil {
		return fmt.Errorf("dns: %w", err)
	}
	a.onClose(a.resolver.Close)
	routes, err := readRoutes(cfg)
	if err != nil {
		return err
	}
	a.ways.file(routes)
	a.finder = &mx.Finder{
		Resolver:     a.resolver,
		AllowPrivate: cfg.AllowPrivateTargets,
		OwnNames:     ownNames(cfg),
		Routes:       a.ways.both.Load,
		Overrides:    a.hostAddresses,
		Sink:         relay(cfg.SMTPSinkAddress, cfg.SMTPSinkPort, cfg.SMTPSinkUsername, cfg.SMTPSinkPassword, false),
		Smarthost: relay(cfg.Smarthost, cfg.SmarthostPort, cfg.SmarthostUsername, cfg.SmarthostPassword,
			cfg.SmarthostPlaintext),
	}
	a.onClose(a.finder.Close)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := a.finder.Start(ctx); err != nil {
		return fmt.Errorf("smtp-sink-address: %w", err)
	}
	if err := errors.Join(a.openThrottle(cfg), a.openSigning(cfg)); err != nil {
		return err
	}
	a.slots = connectionSlots(cfg)
	a.engine = a.newEngine(cfg)
	a.steer()
	return nil
}

func (a *app) newEngine(cfg *config.Config) *delivery.Engine {
	return &delivery.Engine{
		Queue:    a.queue,
		Router:   a.finder,
		Sender:   a.newSender(),
		Throttle: a.limiter,
		Slots:    a.slots.Outgoing(),
		Monitor:  a.monitor,
		Logger:   a.log,
		Names: delivery.QueueNames{
			Outbox:  cfg.RabbitMQOutbox,
			Results: cfg.RabbitMQResults,
			Success: cfg.RabbitMQSuccess,
			Failure: cfg.RabbitMQFailure,
			Retry:   cfg.RabbitMQRetry,
		},
		Retry: delivery.RetryPolicy{
			Intervals:   cfg.RetryInterval,
			Lifetime:    cfg.MaxDeliverTime,
			MaxAttempts: cfg.MaxAttempts,
		},
		Sources: delivery.Sources{Local: a.sources, Elsewhere: a.elsewhere, Default: cfg.SMTPDefaultIPs,
			Name: a.mtaName},
		Hostname:       heloName(cfg),
		LooseEnvelope:  cfg.ValidateEnvelope == "loose",
		LooseRecipient: cfg.ValidateRecipient == "loose",
		Edit:           edit.Finish,
		Finish:         a.finish,
		Extract:        a.extract,
		Store:          a.mailStore(),
		StoreTimes:     a.storageTimes,
		Steering:       a.steering,
		Prefetch:       outboxPrefetch(cfg),
		PathQueue:      cfg.DomainMaxQueue,
		Lookups:        cfg.DNSCapacity,
	}
}

// prefetch is how many messages of the embedded queue are in memory, without their mails.
const prefetch = 20000

func resolverOptions(cfg *config.Config) resolver.Options {
	servers := make([]string, len(cfg.DNSServers))
	for i, s := range cfg.DNSServers {
		servers[i] = s.String()
	}
	return resolver.Options{
		Servers:    servers,
		TrustAD:    cfg.DNSTrustAD,
		MinTTL:     cfg.DNSMinTTL,
		Timeout:    cfg.DNSTimeout,
		Interval:   cfg.DNSInterval,
		Attempts:   cfg.DNSAttempts,
		Capacity:   cfg.DNSCapacity,
		Sockets:    cfg.DNSSockets,
		BufferSize: int(cfg.DNSBufferSize),
		Rotate:     cfg.DNSRotate,
	}
}

func relay(host string, port int, user, password string, plaintext bool) mx.Relay {
	r := mx.Relay{Host: host, Port: port}
	if user != "" {
		r.Credentials = &delivery.Credentials{Username: user, Password: password, Plaintext: plaintext}
	}
	return r
}

// readRoutes reads the file of smtp-routes; without one there are none.
func readRoutes(cfg *config.Config) (*mx.Routes, error) {
	if cfg.SMTPRoutes == "" {
		return nil, nil
	}
	routes, err := mx.ReadRoutes(cfg.SMTPRoutes)
	if err != nil {
		return nil, fmt.Errorf("smtp-routes: %w", err)
	}
	return routes, nil
}

// heloName is our name towards other servers: smtp-hostname, or the machine's.
func heloName(cfg *config.Config) string {
	if cfg.SMTPHostname != "" {
		return cfg.SMTPHostname
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "localhost"
}

func ownNames(cfg *config.Config) []string { return []string{strings.ToLower(heloName(cfg))} }

// localAddresses are those that mail can leave from.
func localAddresses() []netip.Addr { return interfaceAddresses.get() }

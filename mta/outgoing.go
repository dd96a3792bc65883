package mta

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/probe"
	"github.com/sluicemail/sluice/delivery/render"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/delivery/tlspolicy"
	"github.com/sluicemail/sluice/monitor/prometheus"
	"github.com/sluicemail/sluice/preflight"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
)

// outgoing is mail on its way out.
type outgoing struct {
	ways   *ways
	finder *mx.Finder
	limits *limits
	maker  *render.Renderer
	book   *book
	engine *delivery.Engine

	senders *senders

	validation *validation // nil: DANE is off
	prober     *probe.Prober
	sign       finisher
	sampler    *preflight.Sampler // nil: preflight-sample is not set
	trust      *trust             // nil: tls-policy is off
}

// openOutgoing makes all that mail needs on its way out.
func openOutgoing(ctx context.Context, b *base, c *common, opts Options) (o *outgoing, err error) {
	o = new(outgoing)
	if o.ways, err = openWays(b); err != nil {
		return nil, err
	}
	reports := openTLSReports(b, c.mails, c.resolver)
	policies, err := openPolicies(b, c.settings, c.resolver, reports)
	if err != nil {
		return nil, err
	}
	if policies != nil {
		o.trust = &trust{policies, reports}
	}
	o.validation = openValidation(b, c.resolver)
	if o.book, err = openBook(b); err != nil {
		return nil, err
	}
	if o.finder, err = openFinder(ctx, b, c, o.ways, policies); err != nil {
		return nil, err
	}
	if o.limits, err = openLimits(b, c.settings, opts.Throttler); err != nil {
		return nil, err
	}
	downloads, err := openDownloads(b, c.records, c.resolver)
	if err != nil {
		return nil, err
	}
	o.maker = newRenderer(b, downloads, c.back)
	o.senders = newSenders(c.origins, opts.Sender)
	o.prober = openProber(b.cfg, o, policies)
	o.sign, o.sampler = openSigning(b, c), openSampler(b)
	if o.engine, err = openEngine(b, c, o, policies); err != nil {
		return nil, err
	}
	follow(c.settings, o.ways, o.finder, o.engine)
	c.heard.connect(o.engine.LookElsewhere)
	return o, nil
}

// openQueue opens the queues of rabbitmq-address, or the embedded one. One's own stays open at the end.
func openQueue(ctx context.Context, b *base, own queue.Queue, metrics *prometheus.Metrics) (queue.Queue, error) {
	dir, ok := strings.CutPrefix(b.cfg.QueueAddress, "disk://")
	if !ok || dir == "" {
		return nil, fmt.Errorf("queue-address: expected disk:///a/directory, got %q", b.cfg.QueueAddress)
	}
	if own == nil && len(b.cfg.RabbitMQAddress) == 0 {
		q, err := disk.Open(dir, disk.Options{Logger: b.log, Synced: metrics.Synced})
		if err != nil {
			return nil, fmt.Errorf("queue-address: %w", err)
		}
		b.log.Info("queue opened", "directory", dir)
		b.onClose(q.Close)
		return q, nil
	}
	// Large mails on their way in, and copies of the settings, lie where the embedded queue would.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("queue-address: %w", err)
	}
	if own != nil {
		return own, nil
	}
	return openRabbit(ctx, b)
}

func openResolver(b *base, metrics *prometheus.Metrics) (*resolver.Resolver, error) {
	options := resolverOptions(b.cfg)
	options.Asked = func(took time.Duration, err error) {
		metrics.Asked(took, err != nil && !resolver.IsNotFound(err))
	}
	r, err := resolver.New(options)
	if err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	b.onClose(r.Close)
	return r, nil
}

// openWays reads the file of smtp-routes.
func openWays(b *base) (*ways, error) {
	routes, err := readRoutes(b.cfg)
	if err != nil {
		return nil, err
	}
	w := new(ways)
	w.file(routes)
	return w, nil
}

// openFinder makes what finds where the mail to a domain goes.
func openFinder(ctx context.Context, b *base, c *common, w *ways, policies *tlspolicy.Policies) (*mx.Finder, error) {
	cfg := b.cfg
	f := &mx.Finder{
		Resolver:     c.resolver,
		AllowPrivate: cfg.AllowPrivateTargets,
		OwnNames:     []string{strings.ToLower(cfg.HELO())},
		Routes:       w.both.Load,
		Overrides:    func(host string) []netip.Addr { return c.settings.Current().DNS.Addresses(host) },
		Sink:         relay(cfg.SMTPSinkAddress, cfg.SMTPSinkPort, cfg.SMTPSinkUsername, cfg.SMTPSinkPassword, false),
		Smarthost: relay(cfg.Smarthost, cfg.SmarthostPort, cfg.SmarthostUsername, cfg.SmarthostPassword,
			cfg.SmarthostPlaintext),
	}
	if policies != nil {
		f.Policy = policies.Domain
	}
	b.onClose(f.Close)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := f.Start(ctx); err != nil {
		return nil, fmt.Errorf("smtp-sink-address: %w", err)
	}
	return f, nil
}

// openEngine makes what delivers.
func openEngine(b *base, c *common, o *outgoing, policies *tlspolicy.Policies) (*delivery.Engine, error) {
	cfg := b.cfg
	notifier, err := openNotifier(b)
	if err != nil {
		return nil, err
	}
	e := &delivery.Engine{
		Queue:    c.mails.queue,
		Router:   o.finder,
		Sender:   o.senders,
		Throttle: o.limits.throttle,
		Slots:    c.slots.Outgoing(),
		Monitor:  c.records.all,
		Logger:   b.log,
		Names: delivery.QueueNames{
			Outbox:  cfg.RabbitMQOutbox,
			Results: cfg.RabbitMQResults,
			Success: cfg.RabbitMQSuccess,
			Failure: cfg.RabbitMQFailure,
			Retry:   cfg.RabbitMQRetry,
			DSN:     cfg.RabbitMQDSN,
			Hook:    hookQueue(cfg), HookRetries: cfg.WebhookRetries, HookExtract: cfg.WebhookExtract,
		},
		Notifier:       notifier,
		MultiRecipient: cfg.SMTPOutMultiRecipient,
		Retry: delivery.RetryPolicy{
			Intervals:   cfg.RetryInterval,
			Lifetime:    cfg.MaxDeliverTime,
			MaxAttempts: cfg.MaxAttempts,
		},
		Sources: delivery.Sources{Local: c.origins.all, Elsewhere: elsewhere(b.config, c.origins, c.cluster),
			Default: cfg.SMTPDefaultIPs,
			Name:    func(local netip.Addr) string { return c.settings.Current().Name(local) }},
		Hostname:       cfg.HELO(),
		LooseEnvelope:  cfg.ValidateEnvelope == "loose",
		LooseRecipient: cfg.ValidateRecipient == "loose",
		Render:         rendering(o.maker),
		Edit:           c.back.edit(),
		Finish:         sampled(o.sampler, o.sign),
		ReturnPath:     c.back.of(),
		Extract:        c.records.extract,
		Store:          c.mails.elsewhere(),
		StoreTimes:     c.mails.times,
		Receivers:      o.book.current.Load,
		Steering:       func() delivery.Steering { return c.settings.Current().Steering },
		Prefetch:       outboxPrefetch(cfg),
		PathQueue:      cfg.DomainMaxQueue,
		Lookups:        cfg.DNSCapacity,
	}
	if policies != nil {
		e.TLS = policies
	}
	return e, nil
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

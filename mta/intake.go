package mta

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/queue/once"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
	"github.com/sluicemail/sluice/smtpin/spool"
	"github.com/sluicemail/sluice/throttle"
)

// access is what a reload may change about who may connect and where mail leaves from.
type access struct {
	ranges  []netip.Prefix
	proxies []netip.Prefix
	exempt  []netip.Prefix // from the guards against guessing
	protect bool           // refuse who is on the block list
	mapping enqueue.Mapping
}

func newAccess(cfg *config.Config) *access {
	return &access{
		ranges:  cfg.SMTPRange,
		proxies: cfg.SMTPProxy,
		exempt:  cfg.AuthExempt,
		protect: cfg.SMTPProtection,
		mapping: enqueue.Mapping{
			Default:     cfg.SMTPDefaultIPs,
			Mappable:    cfg.SMTPMappableIPs,
			MappableSet: len(cfg.SMTPMappableIPs) > 0,
			Unmappable:  cfg.SMTPUnmappableIPs,
		},
	}
}

// doors is the access in force.
type doors struct{ atomic.Pointer[access] }

func newDoors(cfg *config.Config) *doors {
	d := new(doors)
	d.Store(newAccess(cfg))
	return d
}

// allows reports whether smtp-range names the client.
func (d *doors) allows(client netip.Addr) bool { return contains(d.Load().ranges, client) }

// isProxy reports whether smtp-proxy names the address.
func (d *doors) isProxy(client netip.Addr) bool { return contains(d.Load().proxies, client) }

// guard keeps clients that guess from a back end.
func (d *doors) guard(backend auth.Authenticator) *auth.Limit {
	return &auth.Limit{Backend: backend,
		Exempt: func(client netip.Addr) bool { return contains(d.Load().exempt, client) }}
}

func contains(prefixes []netip.Prefix, ip netip.Addr) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}

// blockedClient returns the refusal for a client on the block list.
func blockedClient(d *doors, settings *snapshot.Keeper) func(netip.Addr) *smtp.SMTPError {
	return func(client netip.Addr) *smtp.SMTPError {
		if !d.Load().protect {
			return nil
		}
		return settings.Current().Blocklist.Client(client)
	}
}

// blockedSender returns the refusal for a sender on the block list.
func blockedSender(d *doors, settings *snapshot.Keeper) func(string) *smtp.SMTPError {
	return func(address string) *smtp.SMTPError {
		if !d.Load().protect {
			return nil
		}
		return settings.Current().Blocklist.Sender(address)
	}
}

// incoming is mail on its way in.
type incoming struct {
	screens *screens
	server  *smtpin.Server
	spool   *spool.Spool
	// injected knows the keys of injections over HTTP.
	injected *once.Book
}

// openIncoming makes all that mail needs on its way in; own replace the checks of the configuration.
func openIncoming(ctx context.Context, b *base, c *common, own []checks.Checker) (*incoming, error) {
	screens := openChecks(b, c, own)
	if err := openFeedback(b, c.desk, c.mails, c.records, c.settings, c.back); err != nil {
		return nil, err
	}
	backend, err := openBackend(b, c, screens)
	if err != nil {
		return nil, err
	}
	files, err := openSpool(ctx, b, c.mails, c.marks, backend)
	if err != nil {
		return nil, err
	}
	injected, err := c.marks.book(ctx, b, once.Options{Name: ".injected", MaxAge: b.cfg.IdempotencyTTL,
		Most: b.cfg.IdempotencyKeys})
	if err != nil {
		return nil, err
	}
	server, err := openServer(b, c, backend)
	return &incoming{screens, server, files, injected}, err
}

// openBackend makes what becomes of the mails that come in.
func openBackend(b *base, c *common, s *screens) (*enqueue.Backend, error) {
	cfg := b.cfg
	backend := &enqueue.Backend{
		Queue: c.mails.queue,
		Queues: enqueue.Queues{
			Inbox:    cfg.RabbitMQInbox,
			Local:    cfg.RabbitMQLocal,
			Reports:  cfg.RabbitMQReports,
			Feedback: feedbackQueue(cfg),
			Refused:  cfg.RabbitMQRefused,
			Outbox:   cfg.RabbitMQOutbox,
			Discard:  cfg.RabbitMQInbox == "",
		},
		ServerID:      uint(cfg.ServerID),
		Local:         func(address string) bool { return c.settings.Current().Locals.Contains(address) },
		ReturnPath:    returnPathKind(c.desk, c.back),
		BlockedSender: blockedSender(c.doors, c.settings),
		Mapping:       func() *enqueue.Mapping { return &c.doors.Load().mapping },
		Checks:        s.policy,
		NoExtract:     !cfg.SMTPExtract,
		Memory:        receptionMemory(cfg),
		SpoolDir:      filepath.Join(cfg.QueueDir(), "spool"),
		Monitor:       c.records.all,
		Tracer:        c.records.tracer,
		Logger:        b.log,
	}
	if cfg.SMTPPriority != "relay" {
		users := cfg.SMTPPriority == "users"
		backend.MayRaise = func(conn *smtpin.Conn) bool { return users && conn.User() != "" }
	}
	if c.login != nil {
		backend.Authenticator = c.login
	}
	return backend, prepareSpool(backend.SpoolDir)
}

// openServer makes the server for the ports that are bound.
func openServer(b *base, c *common, backend *enqueue.Backend) (*smtpin.Server, error) {
	cfg := b.cfg
	s := &smtpin.Server{
		Backend:            backend,
		Hostname:           cfg.SMTPHostname,
		Name:               func(local netip.Addr) string { return c.settings.Current().Name(local) },
		Blocked:            blockedClient(c.doors, c.settings),
		Greeting:           cfg.SMTPGreeting,
		DefaultDomain:      cfg.DefaultDomain,
		Strict:             cfg.SMTPValidateAddress == "strict",
		MaxSize:            c.mails.largest(cfg),
		MaxRecipients:      cfg.SMTPMaxRecipients,
		Timeout:            cfg.SMTPTimeout,
		TransactionTimeout: cfg.SMTPTransactionTimeout,
		DSN:                cfg.DSNAdvertise,
		SMTPUTF8:           true,
		REQUIRETLS:         true,
		MTPriority:         cfg.SMTPPriority != "off",
		MaxHold:            cfg.SMTPFutureRelease,
		BinaryMIME:         cfg.SMTPBinaryMIME,
		DeliverBy:          cfg.SMTPDeliverBy > 0,
		MinDeliverBy:       cfg.SMTPDeliverBy,
		Slots:              c.slots.Incoming(),
		Monitor:            backend.Monitor,
		Logger:             b.log,
		Resolver:           c.resolver,
	}
	s.ConnectionsPerClient, s.Uncapped = perClient(cfg, c.slots, c.doors)
	for _, port := range c.ports.smtp {
		s.Listeners = append(s.Listeners, port.policy)
	}
	if cfg.SMTPLineEnds == "normalise" {
		s.LineEnds = smtpin.NormaliseBare
	}
	if cfg.SMTPBusy == "reject" {
		s.Busy = smtpin.BusyReject
	}
	var err error
	s.TLS, err = openTLS(b)
	return s, err
}

// perClient bounds how many connections one client may have: to half of the incoming ones, unless set, where it may not
// relay or is not in smtp-range.
func perClient(cfg *config.Config, slots *throttle.Slots, d *doors) (most int, uncapped func(*smtpin.Conn) bool) {
	if cfg.SMTPConnectionsClient != 0 {
		return max(cfg.SMTPConnectionsClient, 0), nil
	}
	total, in, _ := slots.Limits()
	if in == 0 {
		in = total
	}
	return max(1, in/2), func(c *smtpin.Conn) bool { return c.Trusted() && d.allows(c.Remote().Addr()) }
}

// openTLS reads the files of smtp-certificate, which are read again when they change. Nil: there are none.
func openTLS(b *base) (func() *tls.Config, error) {
	if len(b.cfg.SMTPCertificate) == 0 {
		return nil, nil
	}
	var certs smtpin.CertFiles
	for i, cert := range b.cfg.SMTPCertificate {
		certs = append(certs, &smtpin.CertFile{Cert: cert, Key: b.cfg.SMTPKey[i], Logger: b.log})
	}
	if err := certs.Load(); err != nil {
		return nil, fmt.Errorf("smtp-certificate: %w", err)
	}
	settings := &tls.Config{GetCertificate: certs.GetCertificate, MinVersion: tls.VersionTLS12}
	if b.cfg.SMTPCiphers != "" { // else what Go thinks best
		// what could not be had was warned about when it was read
		settings.CipherSuites, _, _ = config.ParseCiphers(b.cfg.SMTPCiphers)
	}
	return func() *tls.Config { return settings }, nil
}

package mta

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
	"github.com/sluicemail/sluice/smtpin/wire"
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

// allows reports whether smtp-range names the client.
func (a *app) allows(client netip.Addr) bool {
	return contains(a.access.Load().ranges, client)
}

// isProxy reports whether smtp-proxy names the address.
func (a *app) isProxy(client netip.Addr) bool {
	return contains(a.access.Load().proxies, client)
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
func (a *app) blockedClient(client netip.Addr) *smtp.SMTPError {
	if !a.access.Load().protect {
		return nil
	}
	return a.settings.Current().Blocklist.Client(client)
}

// blockedSender returns the refusal for a sender on the block list.
func (a *app) blockedSender(address string) *smtp.SMTPError {
	if !a.access.Load().protect {
		return nil
	}
	return a.settings.Current().Blocklist.Sender(address)
}

// mtaName returns the name that the settings give a local address.
func (a *app) mtaName(local netip.Addr) string { return a.settings.Current().Name(local) }

// anybody lets every client connect: the submission ports ask for a login instead.
func anybody(netip.Addr) bool { return true }

// listen opens the ports.
func (a *app) listen(cfg *config.Config) error {
	a.access.Store(newAccess(cfg))
	a.server = &smtpin.Server{}
	mustLogIn := len(cfg.SMTPAuth) > 0 && cfg.SMTPAuthRequired
	for _, port := range cfg.SMTPPort {
		if err := a.listenPort(cfg, port, smtpin.Listener{Name: "smtp", Allow: a.allows,
			AuthToRelay: mustLogIn}); err != nil {
			return err
		}
	}
	for _, port := range cfg.SMTPSecurePort {
		if cfg.SMTPCertificate == "" {
			return fmt.Errorf("smtp-secure-port %d: TLS needs smtp-certificate and smtp-key", port)
		}
		policy := smtpin.Listener{Name: "smtps", Allow: a.allows, AuthToRelay: mustLogIn, ImplicitTLS: true}
		if err := a.listenPort(cfg, port, policy); err != nil {
			return err
		}
	}
	for _, port := range cfg.SubmissionPort {
		policy := smtpin.Listener{Name: "submission", Allow: anybody, RequireTLS: true, RequireAuth: true}
		if err := a.listenPort(cfg, port, policy); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) listenPort(cfg *config.Config, port int, policy smtpin.Listener) error {
	ips := cfg.SMTPIP
	if len(ips) == 0 {
		ips = []netip.Addr{{}}
	}
	for _, ip := range ips {
		host := ""
		if ip.IsValid() {
			host = ip.String()
		}
		address := net.JoinHostPort(host, strconv.Itoa(port))
		socket, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("smtp-port %d: %w", port, err)
		}
		a.onClose(func() error { socket.Close(); return nil }) // the server closed it already, unless it never served
		a.sockets = append(a.sockets, socket)
		policy := policy
		policy.Proxies = a.isProxy
		a.server.Listeners = append(a.server.Listeners, &policy)
	}
	return nil
}

// openIntake fills in the server, whose listeners are open.
func (a *app) openIntake(cfg *config.Config) error {
	backend := &enqueue.Backend{
		Queue: a.queue,
		Queues: enqueue.Queues{
			Inbox:   cfg.RabbitMQInbox,
			Local:   cfg.RabbitMQLocal,
			Reports: cfg.RabbitMQReports,
			Refused: cfg.RabbitMQRefused,
			Outbox:  cfg.RabbitMQOutbox,
			Discard: cfg.RabbitMQInbox == "",
		},
		ServerID:      uint(cfg.ServerID),
		Local:         func(address string) bool { return a.settings.Current().Locals.Contains(address) },
		BlockedSender: a.blockedSender,
		Mapping:       func() *enqueue.Mapping { return &a.access.Load().mapping },
		Checks:        a.policy,
		NoExtract:     !cfg.SMTPExtract,
		Memory:        receptionMemory(cfg),
		SpoolDir:      filepath.Join(queueDir(cfg), "spool"),
		Monitor:       a.monitor,
		Log:           a.log,
	}
	if a.login != nil {
		backend.Authenticator = a.login
	}
	if err := prepareSpool(backend.SpoolDir); err != nil {
		return err
	}
	s := a.server
	s.Backend = backend
	s.Hostname = cfg.SMTPHostname
	s.Name = a.mtaName
	s.Blocked = a.blockedClient
	s.Greeting = cfg.SMTPGreeting
	s.DefaultDomain = cfg.DefaultDomain
	s.Strict = cfg.SMTPValidateAddress == "strict"
	s.MaxSize = a.mailLimit(cfg)
	s.MaxRecipients = cfg.SMTPMaxRecipients
	s.Timeout = cfg.SMTPTimeout
	s.TransactionTimeout = cfg.SMTPTransactionTimeout
	s.DSN = cfg.DSNAdvertise
	s.SMTPUTF8 = true
	s.Slots = a.slots.Incoming()
	a.capClients(cfg)
	s.Monitor = a.monitor
	s.Logger = a.log
	s.Resolver = a.resolver
	if cfg.SMTPLineEnds == "normalise" {
		s.LineEnds = wire.NormaliseBare
	}
	if cfg.SMTPBusy == "reject" {
		s.Busy = smtpin.BusyReject
	}
	return a.openTLS(cfg)
}

// openTLS has the server use smtp-certificate, which is read again when it changes.
func (a *app) openTLS(cfg *config.Config) error {
	if cfg.SMTPCertificate == "" {
		return nil
	}
	files := &smtpin.CertFile{Cert: cfg.SMTPCertificate, Key: cfg.SMTPKey, Logger: a.log}
	if err := files.Load(); err != nil {
		return fmt.Errorf("smtp-certificate: %w", err)
	}
	settings := &tls.Config{GetCertificate: files.GetCertificate, MinVersion: tls.VersionTLS12}
	if cfg.SMTPCiphers != "" { // else what Go thinks best
		// what could not be had was warned about when it was read
		settings.CipherSuites, _, _ = config.ParseCiphers(cfg.SMTPCiphers)
	}
	a.server.TLS = func() *tls.Config { return settings }
	return nil
}

// unlimitedBelowZero turns the configuration's zero, which is no limit, into the server's.
func unlimitedBelowZero(size int64) int64 {
	if size == 0 {
		return -1
	}
	return size
}

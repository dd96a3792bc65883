package mta

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/internal/bound"
	"github.com/sluicemail/sluice/smtpin"
)

// ports are what clients connect to. They are bound first, with the privileges that takes, and let clients in last,
// when everything behind them is there.
type ports struct {
	smtp    []port
	console *console.Server // nil: there is none
	metrics *console.Server // that of metrics-address; nil: there is none
	all     []*bound.Listener
}

// port is one for mail.
type port struct {
	socket net.Listener
	policy *smtpin.Listener
}

// name is what it is called: "smtp 127.0.0.1:25".
func (p port) name() string { return p.policy.Name + " " + p.socket.Addr().String() }

// bindPorts takes the ports of the configuration. mustLogIn says that clients log in to relay.
func bindPorts(b *base, d *doors, mustLogIn bool) (*ports, error) {
	p := &ports{}
	b.onClose(func() error {
		for _, socket := range p.all {
			_ = socket.Close() // its server closed it already, unless it never served
		}
		return nil
	})
	if err := p.bindSMTP(b.cfg, d, mustLogIn); err != nil {
		return nil, err
	}
	return p, p.bindConsole(b)
}

// listen lets clients in.
func (p *ports) listen() error {
	for _, socket := range p.all {
		if err := socket.Listen(); err != nil {
			return err
		}
	}
	return nil
}

func (p *ports) bind(network, address string) (net.Listener, error) {
	socket, err := bound.Bind(network, address)
	if err != nil {
		return nil, err
	}
	p.all = append(p.all, socket)
	return socket, nil
}

// anybody lets every client connect: the submission ports ask for a login instead.
func anybody(netip.Addr) bool { return true }

func (p *ports) bindSMTP(cfg *config.Config, d *doors, mustLogIn bool) error {
	for _, kind := range []struct {
		ports  []int
		policy smtpin.Listener
	}{
		{cfg.SMTPPort, smtpin.Listener{Name: "smtp", Allow: d.allows, AuthToRelay: mustLogIn}},
		{cfg.SMTPSecurePort, smtpin.Listener{Name: "smtps", Allow: d.allows, AuthToRelay: mustLogIn, ImplicitTLS: true}},
		{cfg.SubmissionPort, smtpin.Listener{Name: "submission", Allow: anybody, RequireTLS: true, RequireAuth: true}},
	} {
		for _, number := range kind.ports {
			if kind.policy.ImplicitTLS && len(cfg.SMTPCertificate) == 0 {
				return fmt.Errorf("smtp-secure-port %d: TLS needs smtp-certificate and smtp-key", number)
			}
			kind.policy.Proxies = d.isProxy
			if err := p.bindPort(cfg.SMTPIP, number, kind.policy); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *ports) bindPort(ips []netip.Addr, number int, policy smtpin.Listener) error {
	if len(ips) == 0 {
		ips = []netip.Addr{{}}
	}
	for _, ip := range ips {
		host := ""
		if ip.IsValid() {
			host = ip.String()
		}
		socket, err := p.bind("tcp", net.JoinHostPort(host, strconv.Itoa(number)))
		if err != nil {
			return fmt.Errorf("smtp-port %d: %w", number, err)
		}
		own := policy
		p.smtp = append(p.smtp, port{socket, &own})
	}
	return nil
}

// bindConsole takes the ports of the console and of the metrics.
func (p *ports) bindConsole(b *base) error {
	cfg := b.cfg
	s := &console.Server{Certificate: cfg.WWWCertificate, Key: cfg.WWWPrivateKey, Connections: cfg.WWWConnections,
		Names: consoleNames(cfg), Logger: b.log, Bind: p.bind}
	s.Addresses = onPort(cfg.WWWIP, cfg.WWWPort)
	s.SecureAddresses = onPort(cfg.WWWIP, cfg.WWWSecurePort)
	if cfg.WWWCiphers != "" {
		// what could not be had was warned about when it was read
		s.CipherSuites, _, _ = config.ParseCiphers(cfg.WWWCiphers)
	}
	if len(s.Addresses)+len(s.SecureAddresses) > 0 {
		if err := bindServer(s, "www-port, www-secure-port"); err != nil {
			return err
		}
		p.console = s
	}
	if cfg.MetricsAddress == "" {
		return nil
	}
	p.metrics = &console.Server{Addresses: []string{cfg.MetricsAddress}, Connections: 50, Logger: b.log, Bind: p.bind}
	return bindServer(p.metrics, "metrics-address")
}

func bindServer(s *console.Server, key string) error {
	err := s.Listen()
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "listen" {
		return fmt.Errorf("%s: %w; is another program listening there, or another mtad? Choose another port, or 0 for none",
			key, err)
	}
	if err != nil {
		return misconfigured{fmt.Errorf("%s: %w", key, err)}
	}
	return nil
}

// onPort joins addresses with a port; none for port 0.
func onPort(ips []netip.Addr, port int) []string {
	if port == 0 {
		return nil
	}
	if len(ips) == 0 {
		return []string{":" + strconv.Itoa(port)}
	}
	var all []string
	for _, ip := range ips {
		host := ip.String()
		if ip == netip.IPv4Unspecified() && len(ips) == 1 {
			host = "" // both families
		}
		all = append(all, net.JoinHostPort(host, strconv.Itoa(port)))
	}
	return all
}

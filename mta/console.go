package mta

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/file"
	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/monitor/prometheus"
	"github.com/sluicemail/sluice/queue"
)

// face is the console with its ports.
type face struct {
	console *console.Console
	servers []*console.Server // the console's, and that of metrics-address
	ready   atomic.Bool       // mail is taken and delivered
}

// listenConsole opens the ports of the console and of the metrics, while there are still the privileges for it.
func (a *app) listenConsole(cfg *config.Config) error {
	a.face.console = &console.Console{}
	a.metrics = &prometheus.Metrics{Version: version(), Queues: a.queueCounts, Damage: a.queueDamage}
	s := &console.Server{Handler: a.face.console, Certificate: cfg.WWWCertificate, Key: cfg.WWWPrivateKey,
		Connections: cfg.WWWConnections, Names: consoleNames(cfg), Logger: a.log}
	s.Addresses = onPort(cfg.WWWIP, cfg.WWWPort)
	s.SecureAddresses = onPort(cfg.WWWIP, cfg.WWWSecurePort)
	if cfg.WWWCiphers != "" {
		// what could not be had was warned about when it was read
		s.CipherSuites, _, _ = config.ParseCiphers(cfg.WWWCiphers)
	}
	if err := a.openFace(s, "www-port, www-secure-port"); err != nil {
		return err
	}
	if cfg.MetricsAddress == "" {
		return nil
	}
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", a.metrics.Handler())
	return a.openFace(&console.Server{Handler: metrics, Addresses: []string{cfg.MetricsAddress}, Connections: 50,
		Logger: a.log}, "metrics-address")
}

// consoleNames are what the console's host is called.
func consoleNames(cfg *config.Config) []string {
	names := []string{cfg.WWWHost}
	if u, err := url.Parse(cfg.WWWURL); err == nil {
		names = append(names, u.Hostname())
	}
	return slices.DeleteFunc(append(names, heloName(cfg)), func(name string) bool { return name == "" })
}

func (a *app) openFace(s *console.Server, key string) error {
	if len(s.Addresses)+len(s.SecureAddresses) == 0 {
		return nil
	}
	if err := s.Listen(); err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "listen" {
			return fmt.Errorf("%s: %w; is another program listening there, or another mtad? Choose another port, or 0 for none",
				key, err)
		}
		return misconfigured{fmt.Errorf("%s: %w", key, err)}
	}
	a.face.servers = append(a.face.servers, s)
	a.onClose(func() error { return s.Close() })
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

// openConsole fills in the console, whose ports are open, and begins to answer.
func (a *app) openConsole(cfg *config.Config) error {
	if len(a.face.servers) == 0 {
		return nil
	}
	login, err := a.consoleLogin(cfg)
	if err != nil {
		return err
	}
	c := a.face.console
	c.Auth = a.guard(login)
	c.SMTPAuth = a.login
	c.Live = a.live
	c.Settings = a.settings
	c.Slots = a.slotsInUse
	c.Metrics = a.metrics.Handler()
	c.Ready = a.readiness
	c.Hostname = heloName(cfg)
	c.Version = version()
	c.Dir = cfg.WWWDir
	c.CacheControl = cfg.WWWCacheControl
	c.URL = cfg.WWWURL
	c.RenderUserAgent = cfg.RenderUserAgent
	c.Access = a.logs.Access
	c.Logger = a.log
	all, rest := a.openREST(cfg)
	c.Admin, c.API = all, rest
	c.Tools = a.settingsTools(cfg)
	c.Resolver = a.resolver
	c.Site = a.siteOf
	a.openWatch(c)
	if err := c.Check(); err != nil {
		return misconfigured{fmt.Errorf("www-dir: %w", err)}
	}
	for _, s := range a.face.servers {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := s.Serve(); err != nil {
				a.log.Error("the console cannot be reached any more", "error", err)
			}
		}()
		a.onClose(func() error {
			ctx, cancel := context.WithTimeout(context.Background(), consoleTime)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				_ = s.Close()
			}
			<-ended
			return nil
		})
		for _, address := range s.Addrs() {
			a.log.Info("console listening", "address", address.String())
		}
	}
	return nil
}

// consoleTime is how long requests under way may take when the program ends.
const consoleTime = 3 * time.Second

// consoleLogin makes the back end of www-auth or www-password. Without either it is a password that was made at the
// first start.
func (a *app) consoleLogin(cfg *config.Config) (auth.Authenticator, error) {
	switch {
	case len(cfg.WWWAuth) > 0:
		backend, err := a.openChain(cfg.WWWAuth)
		if err != nil {
			return nil, misconfigured{fmt.Errorf("www-auth: %w", err)}
		}
		return backend, nil
	case cfg.WWWPassword != "":
		one := auth.Hardcoded(map[string]string{"any": cfg.WWWPassword})
		return auth.Func(func(ctx context.Context, l auth.Login) error {
			if l.Username == "" {
				return auth.ErrRejected
			}
			l.Username = "any"
			return one.Authenticate(ctx, l)
		}), nil
	}
	name := filepath.Join(queueDir(cfg), "console-password")
	password, err := console.FirstPassword(name)
	if err != nil {
		return nil, err
	}
	if password != "" {
		// To the terminal and not to the log, which others may read.
		fmt.Fprintf(os.Stderr,
			"\nThe console at %s was given a password, shown this once:\n  user      admin\n  password  %s\nRemove %s to have another made.\n\n", a.consoleURL(cfg), password, name)
	}
	return file.New(name, &file.Options{Log: a.log})
}

// consoleURL is where a browser finds the console.
func (a *app) consoleURL(cfg *config.Config) string {
	if cfg.WWWURL != "" {
		return cfg.WWWURL
	}
	u := url.URL{Scheme: "http"}
	port := cfg.WWWPort
	if cfg.WWWSecurePort != 0 {
		u.Scheme, port = "https", cfg.WWWSecurePort
	}
	host := cfg.WWWHost
	if host == "" {
		host = heloName(cfg)
		if len(cfg.WWWIP) > 0 && !cfg.WWWIP[0].IsUnspecified() {
			host = cfg.WWWIP[0].String()
		}
	}
	u.Host = net.JoinHostPort(host, strconv.Itoa(port))
	return u.String() + "/"
}

// readiness tells whether mail is taken and delivered: not while what is sent would be answered 4xx, as the disk is
// full or the broker away.
func (a *app) readiness() error {
	if !a.face.ready.Load() {
		return errors.New("the server starts or stops")
	}
	if q, ok := a.storedQueue().(interface{ Err() error }); ok {
		return q.Err()
	}
	return nil
}

func (a *app) slotsInUse() console.Slots {
	total, in, out := a.slots.Limits()
	return console.Slots{Outgoing: a.slots.Outgoing().Used(), OutgoingLimit: out, Incoming: a.slots.Incoming().Used(),
		IncomingLimit: in, Total: total}
}

// queueCounts are the queues for Prometheus.
func (a *app) queueCounts() ([]prometheus.QueueCount, bool) {
	inspector, ok := a.queue.(queue.Inspector)
	if !ok {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	stats, err := inspector.Queues(ctx)
	if err != nil {
		return nil, false
	}
	var all []prometheus.QueueCount
	for _, s := range stats {
		all = append(all, prometheus.QueueCount{Queue: s.Queue, State: "ready", Messages: s.Ready},
			prometheus.QueueCount{Queue: s.Queue, State: "delayed", Messages: s.Delayed},
			prometheus.QueueCount{Queue: s.Queue, State: "parked", Messages: s.Parked},
			prometheus.QueueCount{Queue: s.Queue, State: "out", Messages: s.Out})
	}
	return all, true
}

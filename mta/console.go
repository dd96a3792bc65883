package mta

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/file"
	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/queue"
)

// consoleNames are what the console's host is called.
func consoleNames(cfg *config.Config) []string {
	names := []string{cfg.WWWHost}
	if u, err := url.Parse(cfg.WWWURL); err == nil {
		names = append(names, u.Hostname())
	}
	return slices.DeleteFunc(append(names, cfg.HELO()), func(name string) bool { return name == "" })
}

// openConsole makes the pages and the REST API. Nil: they have no port.
func (m *MTA) openConsole(b *base) (*console.Console, error) {
	if m.ports.console == nil {
		return nil, nil
	}
	own, err := consoleLogin(b)
	if err != nil {
		return nil, err
	}
	all, rest := m.openREST(b)
	c := &console.Console{
		Auth:            m.doors.guard(own),
		SMTPAuth:        m.login,
		Live:            m.records.live,
		Settings:        m.settings,
		Slots:           m.slotsInUse,
		Metrics:         m.records.metrics.Handler(),
		Ready:           m.readiness,
		Hostname:        b.cfg.HELO(),
		Version:         Version(),
		Dir:             b.cfg.WWWDir,
		CacheControl:    b.cfg.WWWCacheControl,
		URL:             b.cfg.WWWURL,
		SessionFile:     filepath.Join(b.cfg.QueueDir(), "console-sessions"),
		Credentials:     consoleCredentials(b.cfg),
		RenderUserAgent: b.cfg.RenderUserAgent,
		Preview: func(ctx context.Context, message *queue.Message) (queue.Body, error) {
			return preview(ctx, m.maker, message)
		},
		Access:      m.records.log.Access,
		Logger:      b.log,
		Admin:       all,
		API:         rest,
		Unsubscribe: m.oneClick(b),
		Tools:       m.settingsTools(b.cfg),
		Resolver:    m.resolver,
		Site:        m.siteOf,
		Tail:        m.records.tail,
	}
	if m.cluster != nil {
		c.Instances = m.otherInstances
	}
	b.onClose(c.Close)
	if err := c.Check(); err != nil {
		return nil, misconfigured{fmt.Errorf("www-dir: %w", err)}
	}
	return c, nil
}

// consoleTime is how long requests under way may take when everything ends.
const consoleTime = 3 * time.Second

// serveConsole answers browsers and Prometheus until everything is closed.
func (m *MTA) serveConsole(b *base, c *console.Console) {
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", m.records.metrics.Handler())
	frame.HandleHealth(metrics, m.readiness, b.log)
	serveHTTP(b, m.ports.console, c)
	serveHTTP(b, m.ports.metrics, metrics)
}

func serveHTTP(b *base, s *console.Server, handler http.Handler) {
	if s == nil {
		return
	}
	s.Handler = handler
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(); err != nil {
			b.log.Error("the console cannot be reached any more", "error", err)
		}
	}()
	b.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), consoleTime)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			_ = s.Close()
		}
		<-ended
		return nil
	})
	for _, address := range s.Addrs() {
		b.log.Info("console listening", "address", address.String())
	}
}

// consoleLogin makes the back end of www-auth or www-password. Without either it is a password that was made at the
// first start.
func consoleLogin(b *base) (auth.Authenticator, error) {
	cfg := b.cfg
	switch {
	case len(cfg.WWWAuth) > 0:
		backend, err := openChain(b, cfg.WWWAuth)
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
	name := firstPasswordFile(cfg)
	password, err := console.FirstPassword(name)
	if err != nil {
		return nil, err
	}
	if password != "" {
		// To the terminal and not to the log, which others may read.
		fmt.Fprintf(os.Stderr,
			"\nThe console at %s was given a password, shown this once:\n  user      admin\n  password  %s\nRemove %s to have another made.\n\n", browserURL(cfg), password, name)
	}
	return file.New(name, &file.Options{Logger: b.log})
}

func firstPasswordFile(cfg *config.Config) string {
	return filepath.Join(cfg.QueueDir(), "console-password")
}

// consoleCredentials is what logins to the console are judged by, as far as it stands in the configuration and in
// files: who is logged in has to log in again when it has changed.
func consoleCredentials(cfg *config.Config) []byte {
	files := []string{firstPasswordFile(cfg)}
	all := append([]string{cfg.WWWPassword}, cfg.WWWAuth...)
	for _, back := range cfg.WWWAuth {
		if name, is := strings.CutPrefix(back, "file://"); is {
			if path, err := url.PathUnescape(name); err == nil {
				files = append(files, path)
			}
		}
	}
	for _, name := range files {
		text, _ := os.ReadFile(name) // what cannot be read lets nobody in
		all = append(all, string(text))
	}
	return []byte(strings.Join(all, "\x00"))
}

// browserURL is where a browser finds the console.
func browserURL(cfg *config.Config) string {
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
		host = cfg.HELO()
		if len(cfg.WWWIP) > 0 && !cfg.WWWIP[0].IsUnspecified() {
			host = cfg.WWWIP[0].String()
		}
	}
	u.Host = net.JoinHostPort(host, strconv.Itoa(port))
	return u.String() + "/"
}

// readiness tells whether mail is taken and delivered: not while what is sent would be answered 4xx, as the disk is
// full or the broker away.
func (m *MTA) readiness() error {
	if !m.takes.Load() {
		return errors.New("the server starts or stops")
	}
	if q, ok := m.mails.own.(interface{ Err() error }); ok {
		return q.Err()
	}
	return nil
}

func (m *MTA) slotsInUse() console.Slots {
	total, in, out := m.slots.Limits()
	return console.Slots{Outgoing: m.slots.Outgoing().Used(), OutgoingLimit: out, Incoming: m.slots.Incoming().Used(),
		IncomingLimit: in, Total: total}
}

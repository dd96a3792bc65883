package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/ctl"
	"github.com/sluicemail/sluice/mta"
)

func control(c *Call) int   { return ask(c, ctl.Control) }
func queue(c *Call) int     { return ask(c, ctl.Queue) }
func probe(c *Call) int     { return ask(c, ctl.Probe) }
func preflight(c *Call) int { return ask(c, ctl.Preflight) }

// configOf reads the configuration that a command names; "" is the usual one.
func (c *Call) configOf(file string) (*config.Config, error) {
	var named []string
	if file != "" {
		named = []string{"--config-file", file}
	}
	cfg, _, err := config.Load(mta.Sources(named, c.Environ))
	return cfg, err
}

// ask is a command that speaks to the running server.
func ask(c *Call, tree ctl.Tree) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	asked := &ctl.Command{
		Tree: tree,
		Server: func(file string) (ctl.Server, error) {
			cfg, err := c.configOf(file)
			if err != nil {
				return ctl.Server{}, err
			}
			return consoleServer(cfg)
		},
		OpenSettings: func(ctx context.Context, file string) (*settings.DB, error) {
			cfg, err := c.configOf(file)
			if err == nil {
				err = isThere(cfg)
			}
			if err != nil {
				return nil, misconfigured{err}
			}
			return settings.Open(ctx, cfg.DatabaseAddress, settings.Options{SkipValidation: !cfg.DatabaseValidate})
		},
		SettingsCache: func(file string) (string, error) {
			cfg, err := c.configOf(file)
			if err != nil {
				return "", misconfigured{err}
			}
			return cfg.SettingsCache(), nil
		},
		Render: func(ctx context.Context, file string, message []byte, download bool) ([]byte, []string, error) {
			if !download {
				return mta.Preview(ctx, message, nil)
			}
			cfg, err := c.configOf(file)
			if err != nil {
				return nil, nil, misconfigured{err}
			}
			return mta.Preview(ctx, message, cfg)
		},
		Misconfigured: func(err error) bool { return errors.As(err, new(misconfigured)) || databaseExit(err) == ExitConfig },
		Stdin:         c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr, Environ: c.Environ,
	}
	return asked.Run(ctx, c.Args)
}

// misconfigured is an error that a change of the configuration mends.
type misconfigured struct{ error }

func (m misconfigured) Unwrap() error { return m.error }

// isThere finds fault with the database of this program's own defaults when there is none: the server that is meant has
// another, in a configuration file that was not named.
func isThere(cfg *config.Config) error {
	path, isFile := strings.CutPrefix(cfg.DatabaseAddress, "sqlite://")
	if cfg.DatabaseAddress != mta.Sources(nil, nil).NoFile["database-address"] || !isFile {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("there is no settings database at %s, which is where it is without a configuration: name the server's with --config-file FILE",
			cfg.DatabaseAddress)
	}
	return nil
}

// consoleServer is where the REST API is, seen from this machine.
func consoleServer(cfg *config.Config) (ctl.Server, error) {
	host := "127.0.0.1"
	if len(cfg.WWWIP) > 0 && !cfg.WWWIP[0].IsUnspecified() {
		host = cfg.WWWIP[0].String()
	} else if len(cfg.WWWIP) > 0 && cfg.WWWIP[0] == netip.IPv6Unspecified() {
		host = "::1"
	}
	switch {
	case cfg.WWWSecurePort != 0:
		return ctl.Server{URL: "https://" + net.JoinHostPort(host, strconv.Itoa(cfg.WWWSecurePort)),
			Certificate: cfg.WWWCertificate}, nil
	case cfg.WWWPort != 0:
		return ctl.Server{URL: "http://" + net.JoinHostPort(host, strconv.Itoa(cfg.WWWPort))}, nil
	}
	return ctl.Server{}, fmt.Errorf("the configuration opens no port for the console (www-port, www-secure-port)")
}

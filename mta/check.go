package mta

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/monitor/logfile"
)

// check judges the values that only the packages behind them understand, before anything is opened.
func check(cfg *config.Config, complain func(key, want string, cause error)) {
	for _, l := range []struct {
		key     string
		options logfile.Options
	}{
		{"send-log-format", logfile.Options{Send: logfile.Target{Format: cfg.SendLogFormat}}},
		{"received-log-format", logfile.Options{Received: logfile.Target{Format: cfg.ReceivedLogFormat}}},
		{"download-log-format", logfile.Options{Download: logfile.Target{Format: cfg.DownloadLogFormat}}},
		{"www-log-format", logfile.Options{WWW: logfile.Target{Format: cfg.WWWLogFormat}}},
	} {
		if err := l.options.Check(); err != nil {
			if template, ok := errors.AsType[*logfile.TemplateError](err); ok {
				err = template
			}
			complain(l.key, "a template such as [{$date}] {if $name}{$name}{/if}", err)
		}
	}
	checkRabbit(cfg, complain)
	checkStorage(cfg, complain)
	checkDownloads(cfg, complain)
	checkHooks(cfg, complain)
	checkFeedback(cfg, complain)
	checkSpool(cfg, complain)
	if cfg.SMTPRoutes != "" {
		if _, err := mx.ReadRoutes(cfg.SMTPRoutes); err != nil {
			complain("smtp-routes", "a file of domain:relay:port lines", err)
		}
	}
	if _, err := bounceTexts(cfg); err != nil {
		complain("bounce-texts", "a directory of texts such as failed.en.txt", err)
	}
	if _, _, err := readBook(cfg); err != nil {
		complain("receivers-file", "a file of rules about receivers", err)
	}
	if _, err := returnPathTemplate(cfg); err != nil {
		complain("verp", "a domain or an address with {token}", err)
	}
	if cfg.User != "" {
		if _, err := user.Lookup(cfg.User); err != nil {
			complain("user", "a user of this machine", nil)
		}
	}
}

// checkStart is check with what else a start would refuse, by the constructors that it uses: of what can be made
// without making or connecting anything.
func checkStart(cfg *config.Config, complain func(key, want string, cause error)) {
	check(cfg, complain)
	quiet := newBase(cfg, slog.New(slog.DiscardHandler), nil)
	for key, urls := range map[string][]string{"smtp-auth": cfg.SMTPAuth, "www-auth": cfg.WWWAuth} {
		if _, err := openChain(quiet, urls); err != nil {
			complain(key, "a back end that can be used", err)
		}
	}
	_ = quiet.opened.close()
	if err := settings.CheckAddress(cfg.DatabaseAddress); err != nil {
		complain("database-address", "the address of a settings database", err)
	}
	if dir := cfg.QueueDir(); dir == "" || dir == cfg.QueueAddress {
		complain("queue-address", "disk:///a/directory", nil)
	}
	if cfg.WWWDir != "" {
		c := &console.Console{Dir: cfg.WWWDir, Logger: quiet.log}
		if err := c.Check(); err != nil {
			complain("www-dir", "a directory of files that can be used", err)
		}
		c.Close()
	}
	checkFiles(cfg, complain)
}

// checkFiles finds files that cannot be written since their directories are not there.
func checkFiles(cfg *config.Config, complain func(key, want string, cause error)) {
	logs := map[string]string{"lock": cfg.Lock, "send-log-file": cfg.SendLogFile, "send-bin-log-file": cfg.SendBinLogFile,
		"received-log-file": cfg.ReceivedLogFile, "received-bin-log-file": cfg.ReceivedBinLogFile,
		"download-log-file": cfg.DownloadLogFile, "download-bin-log-file": cfg.DownloadBinLogFile,
		"www-log-file": cfg.WWWLogFile, "www-bin-log-file": cfg.WWWBinLogFile}
	for key, file := range logs {
		if err := mayBeFile(file); err != nil {
			complain(key, "a file in a directory that is there", err)
		}
	}
	for _, target := range cfg.ApplicationLog {
		if target == "stdout" || target == "stderr" || target == "syslog" {
			continue
		}
		if err := mayBeFile(target); err != nil {
			complain("application-log", "stdout, stderr, syslog, or a file in a directory that is there", err)
		}
	}
}

// mayBeFile returns why there can be no file at a path; "" is none, and fine.
func mayBeFile(path string) error {
	if path == "" {
		return nil
	}
	if strings.HasSuffix(path, "/") {
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("is a directory")}
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("is a directory")}
	}
	_, err := os.Stat(filepath.Dir(path))
	return err
}

package mta

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"sync"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/logfile"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/monitor/prometheus"
)

// appLog is the program's own log: what application-log names, or a logger of the caller's.
type appLog struct {
	*slog.Logger
	level  *slog.LevelVar // nil: the logger is the caller's
	files  []*movable
	system *syslog.Writer
}

// openAppLog opens what application-log names: stdout, stderr, syslog, or files, which u will go on with; or takes the
// logger of the caller.
func openAppLog(cfg *config.Config, own *slog.Logger, u *account) (*appLog, error) {
	if own != nil {
		return &appLog{Logger: own}, nil
	}
	l := &appLog{level: new(slog.LevelVar)}
	l.set(cfg)
	var writers []io.Writer
	for _, target := range cfg.ApplicationLog {
		switch target {
		case "stdout":
			writers = append(writers, os.Stdout)
		case "stderr":
			writers = append(writers, os.Stderr)
		case "syslog":
			w, err := syslog.New(syslog.LOG_MAIL|syslog.LOG_INFO, "mtad")
			if err != nil {
				_ = l.close()
				return nil, fmt.Errorf("application-log: syslog: %w", err)
			}
			writers, l.system = append(writers, w), w
		default:
			f := &movable{path: target, user: u}
			if err := f.open(); err != nil {
				_ = l.close()
				return nil, fmt.Errorf("application-log: %w", err)
			}
			writers, l.files = append(writers, f), append(l.files, f)
		}
	}
	options := &slog.HandlerOptions{Level: l.level}
	if cfg.ApplicationLogFormat == "json" {
		l.Logger = slog.New(slog.NewJSONHandler(everyWriter(writers), options))
	} else {
		l.Logger = slog.New(slog.NewTextHandler(everyWriter(writers), options))
	}
	return l, nil
}

// set puts application-log-level in force.
func (l *appLog) set(cfg *config.Config) {
	if l.level != nil {
		_ = l.level.UnmarshalText([]byte(cfg.ApplicationLogLevel)) // it was looked at when it was read
	}
}

// reopen opens the files anew, and says which cannot be.
func (l *appLog) reopen() error {
	var errs []error
	for _, f := range l.files {
		f.mu.Lock()
		errs = append(errs, f.open())
		f.mu.Unlock()
	}
	return errors.Join(errs...)
}

func (l *appLog) close() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	if l.system != nil {
		errs = append(errs, l.system.Close())
	}
	return errors.Join(errs...)
}

// everyWriter writes to each of its writers; one that fails keeps no line from the others.
type everyWriter []io.Writer

func (all everyWriter) Write(line []byte) (int, error) {
	var failed error
	for _, w := range all {
		if _, err := w.Write(line); err != nil {
			failed = err
		}
	}
	return len(line), failed
}

// movable is a file that is opened anew when logrotate has moved or removed it: it looks before each line, which this
// log has few of.
type movable struct {
	path string
	user *account // that the program becomes; nil: none
	mu   sync.Mutex
	file *os.File
}

// open opens the file at the path, and keeps the one it has when that cannot be done.
func (m *movable) open() error {
	file, err := m.user.openOwnFile(m.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	if m.file != nil {
		m.file.Close()
	}
	m.file = file
	return nil
}

// Write writes a line to the file that is at the path now, or to the one it was, when there can be none.
func (m *movable) Write(line []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if there, err := os.Stat(m.path); err != nil || !m.is(there) {
		_ = m.open()
	}
	return m.file.Write(line)
}

func (m *movable) is(there os.FileInfo) bool {
	ours, err := m.file.Stat()
	return err == nil && os.SameFile(ours, there)
}

// Close closes the file.
func (m *movable) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.file.Close()
}

// records are where everything that happens is told to.
type records struct {
	log     *logfile.Log
	live    *monitor.Live
	tail    *logsearch.Tail
	metrics *prometheus.Metrics
	tracer  monitor.Tracer // nil: there is no traces-url
	all     monitor.Monitor
	extract bool // the logs tell of the property extracted
}

// openRecords opens the logs of attempts, intake, downloads and requests, and makes the monitor that everything is told
// to, metrics, desk and own among them.
func openRecords(b *base, m *mails, metrics *prometheus.Metrics, desk, own monitor.Monitor) (*records, error) {
	cfg := b.cfg
	options := logfile.Options{
		Send:     logfile.Target{File: cfg.SendLogFile, Format: cfg.SendLogFormat, BinFile: cfg.SendBinLogFile},
		Received: logfile.Target{File: cfg.ReceivedLogFile, Format: cfg.ReceivedLogFormat, BinFile: cfg.ReceivedBinLogFile},
		Download: logfile.Target{File: cfg.DownloadLogFile, Format: cfg.DownloadLogFormat,
			BinFile: cfg.DownloadBinLogFile},
		WWW:    logfile.Target{File: cfg.WWWLogFile, Format: cfg.WWWLogFormat, BinFile: cfg.WWWBinLogFile},
		Logger: b.log,
	}
	log, err := logfile.Open(options)
	if err != nil {
		return nil, misconfigured{err}
	}
	b.onClose(log.Close)
	metrics.Queues, metrics.Damage = m.counts, m.damage
	r := &records{log: log, live: &monitor.Live{}, tail: new(logsearch.Tail), extract: options.NeedsExtracted(),
		metrics: metrics}
	told := []monitor.Monitor{r.live, r.metrics, log, r.tail, desk}
	if own != nil {
		told = append(told, own)
	}
	t, err := openTraces(b)
	if err != nil {
		return nil, err
	}
	if t != nil {
		r.tracer, metrics.Traces = t, t.Spans
		told = append(told, t)
	}
	r.all = monitor.Several(told...)
	return r, nil
}

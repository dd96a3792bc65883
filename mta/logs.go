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
)

// appLog is the program's own log: what application-log names.
type appLog struct {
	*slog.Logger
	files  []*movable
	system *syslog.Writer
}

// openAppLog opens what application-log names: stdout, stderr, syslog, or files, which u will go on with.
func openAppLog(targets []string, u *account, stdout, stderr io.Writer) (*appLog, error) {
	l := &appLog{}
	var writers []io.Writer
	for _, target := range targets {
		switch target {
		case "stdout":
			writers = append(writers, stdout)
		case "stderr":
			writers = append(writers, stderr)
		case "syslog":
			w, err := syslog.New(syslog.LOG_MAIL|syslog.LOG_INFO, "mtad")
			if err != nil {
				l.close()
				return nil, fmt.Errorf("application-log: syslog: %w", err)
			}
			writers, l.system = append(writers, w), w
		default:
			f := &movable{path: target, user: u}
			if err := f.open(); err != nil {
				l.close()
				return nil, fmt.Errorf("application-log: %w", err)
			}
			writers, l.files = append(writers, f), append(l.files, f)
		}
	}
	l.Logger = slog.New(slog.NewTextHandler(everyWriter(writers), nil))
	return l, nil
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

func (l *appLog) close() {
	for _, f := range l.files {
		f.Close()
	}
	if l.system != nil {
		l.system.Close()
	}
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

// openLogs opens the attempt and intake logs and makes the monitor that everything is told to.
func (a *app) openLogs(cfg *config.Config) error {
	options := logfile.Options{
		Send:     logfile.Target{File: cfg.SendLogFile, Format: cfg.SendLogFormat, BinFile: cfg.SendBinLogFile},
		Received: logfile.Target{File: cfg.ReceivedLogFile, Format: cfg.ReceivedLogFormat, BinFile: cfg.ReceivedBinLogFile},
		WWW:      logfile.Target{File: cfg.WWWLogFile, Format: cfg.WWWLogFormat, BinFile: cfg.WWWBinLogFile},
		Logger:   a.log,
	}
	logs, err := logfile.Open(options)
	if err != nil {
		return misconfigured{err}
	}
	a.logs, a.extract = logs, options.NeedsExtracted()
	a.onClose(logs.Close)
	a.live = &monitor.Live{}
	a.tail = new(logsearch.Tail)
	a.monitor = monitor.Several(a.live, a.metrics, logs, a.tail)
	return nil
}

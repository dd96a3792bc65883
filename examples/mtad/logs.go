package main

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/logfile"
)

// applicationLog opens what application-log names: stdout, stderr, syslog, or files.
func applicationLog(targets []string, stdout, stderr io.Writer) (*slog.Logger, func(), error) {
	var writers []io.Writer
	var files []io.Closer
	closeAll := func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, target := range targets {
		switch target {
		case "stdout":
			writers = append(writers, stdout)
		case "stderr":
			writers = append(writers, stderr)
		case "syslog":
			w, err := syslog.New(syslog.LOG_MAIL|syslog.LOG_INFO, "mtad")
			if err != nil {
				closeAll()
				return nil, nil, fmt.Errorf("application-log: syslog: %w", err)
			}
			writers, files = append(writers, w), append(files, w)
		default:
			f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
			if err != nil {
				closeAll()
				return nil, nil, fmt.Errorf("application-log: %w", err)
			}
			writers, files = append(writers, f), append(files, f)
		}
	}
	return slog.New(slog.NewTextHandler(io.MultiWriter(writers...), nil)), closeAll, nil
}

// openLogs opens the attempt and intake logs and makes the monitor that everything is told to.
func (a *app) openLogs(cfg *config.Config) error {
	logs, err := logfile.Open(logfile.Options{
		Send:     logfile.Target{File: cfg.SendLogFile, Format: cfg.SendLogFormat, BinFile: cfg.SendBinLogFile},
		Received: logfile.Target{File: cfg.ReceivedLogFile, Format: cfg.ReceivedLogFormat, BinFile: cfg.ReceivedBinLogFile},
		Logger:   a.log,
	})
	if err != nil {
		return err
	}
	a.logs = logs
	a.onClose(logs.Close)
	a.live = &monitor.Live{}
	a.monitor = monitor.Several(a.live, logs)
	return nil
}

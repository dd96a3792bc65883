package mta

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/queue/once"
	"github.com/sluicemail/sluice/smtpin/enqueue"
	"github.com/sluicemail/sluice/smtpin/spool"
)

// openSpool makes what takes mail in that lies in a directory: that of spool-directory, else one beside the queue, so
// that the command line works without any configuration.
func openSpool(ctx context.Context, b *base, m *mails, k *marks, backend *enqueue.Backend) (*spool.Spool, error) {
	cfg := b.cfg
	book, err := k.book(ctx, b, once.Options{Name: ".spool"})
	if err != nil {
		return nil, err
	}
	s := &spool.Spool{
		Dir:       cfg.DropDirectory(),
		FailDir:   cfg.SpoolFailDirectory,
		Delay:     cfg.SpoolDelay,
		Keep:      !cfg.SpoolRemove,
		OpenFiles: cfg.SpoolOpenFiles,
		Threads:   cfg.SpoolThreads,
		Backend:   backend,
		Book:      book,
		NoExtract: !cfg.SpoolExtract,
		Hostname:  cfg.HELO(),
		Domain:    cfg.LocalDomain(),
		MaxSize:   max(m.largest(cfg), 0),
		Logger:    b.log,
	}
	if cfg.SpoolDirectory == "" && s.FailDir == "" {
		s.FailDir = s.Dir + ".failed"
	}
	if err := s.Prepare(); err != nil {
		return nil, misconfigured{fmt.Errorf("spool-directory: %w", err)}
	}
	return s, nil
}

// runSpool takes mail in from the spool directory until it is stopped. Files that are being taken in are finished,
// unless the context of stop ends before.
func (m *MTA) runSpool() (stop func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.spool.Run(ctx)
	}()
	return func(ctx context.Context) {
		cancel()
		select {
		case <-ended:
		case <-ctx.Done():
		}
	}
}

// checkSpool judges the directories of the spool-* keys.
func checkSpool(cfg *config.Config, complain func(key, want string, cause error)) {
	for key, dir := range map[string]string{"spool-directory": cfg.SpoolDirectory,
		"spool-fail-directory": cfg.SpoolFailDirectory} {
		if is, err := os.Stat(dir); dir != "" && err == nil && !is.IsDir() {
			complain(key, "a directory", nil)
		} else if dir != "" && err != nil && !errors.Is(err, fs.ErrNotExist) {
			complain(key, "a directory", err)
		}
	}
	if cfg.SpoolDirectory != "" && filepath.Clean(cfg.SpoolDirectory) == filepath.Clean(cfg.SpoolFailDirectory) {
		complain("spool-fail-directory", "another directory than that of spool-directory", nil)
	}
}

// spoolState tells what is in the spool directory.
func (m *MTA) spoolState() admin.Service {
	s := m.spool.State()
	detail := fmt.Sprintf("%s in %s", waitingFiles(s.Waiting), m.spool.Dir)
	if s.Failed > 0 {
		detail += fmt.Sprintf("; %s could not be used since the start", plural(s.Failed, "file"))
		if m.spool.FailDir != "" {
			detail += ", see " + m.spool.FailDir
		}
	}
	return m.services.state("spool directory", s.Err, detail)
}

func waitingFiles(n int) string {
	switch n {
	case 0:
		return "no file waits"
	case 1:
		return "1 file waits"
	}
	return humanize.Comma(int64(n)) + " files wait"
}

package mtatest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/mta"
)

// hosted is an MTA in the process of the test.
type hosted struct{ *mta.MTA }

// host opens an MTA with a configuration file and runs it until the test ends. One that cannot be opened has ended.
func host(t testing.TB, file string) *Process {
	t.Helper()
	p := &Process{done: make(chan struct{})}
	cfg, report, err := mta.Load([]string{"--config-file", file}, nil)
	require.NoError(t, err)
	options := mta.Options{Logger: slog.New(slog.NewTextHandler(&p.Log, nil)), Report: report}
	var m *mta.MTA
	err = unlocked(t, func() (err error) { m, err = mta.Open(t.Context(), cfg, options); return err })
	if err != nil {
		close(p.done)
		return p
	}
	p.hosted = &hosted{m}
	go func() {
		defer close(p.done)
		_ = m.Run(context.Background()) // Shutdown returns its error
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the MTA said:\n%s", p.Log.tail(4000))
		}
	})
	return p
}

// reload does what mtad does on SIGHUP.
func (h *hosted) reload(file string) {
	h.Reopen()
	cfg, _, err := mta.Load([]string{"--config-file", file}, nil)
	if err == nil {
		err = h.Reload(cfg)
	}
	if err != nil {
		h.Logger().Error("the configuration is wrong; the old one stays in force", "error", err)
	}
}

func (h *hosted) terminate(t testing.TB) {
	t.Helper()
	began := time.Now()
	require.NoError(t, h.Shutdown(context.Background()))
	require.Less(t, time.Since(began), 32*time.Second, "the time that Terminate gives")
}

func (h *hosted) stop() {
	atOnce, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.Shutdown(atOnce)
}

package mta

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sluicemail/sluice/smtpin"
)

// The end takes half a minute at most: what is on its way has drainTime, and the rest is for closing.
const drainTime = 28 * time.Second

// Logger is where the MTA tells what an operator should know.
func (m *MTA) Logger() *slog.Logger { return m.log.Logger }

// Ready is closed when mail is taken and delivered.
func (m *MTA) Ready() <-chan struct{} { return m.ready }

// Alive returns when delivery answers for each of its paths: one that hangs keeps Alive from returning.
func (m *MTA) Alive() { m.engine.Paths() }

// Run takes and delivers mail until ctx ends, Shutdown is called or something fails. Then everything ends in order: no
// new clients, sessions finish, mails on their way finish, what Open opened is closed, the last first. What is not done
// after nearly half a minute is cut off and stays in the queue. Run can be called once; it returns nil unless something
// failed.
func (m *MTA) Run(ctx context.Context) error {
	if !m.begun.CompareAndSwap(false, true) {
		return errors.New("mta: Run or Shutdown was called before")
	}
	m.end(m.run(ctx))
	return m.failed
}

// end tells how it all ended. Everything is closed but the log.
func (m *MTA) end(err error) {
	if err != nil {
		m.log.Error("stopped", "error", err)
	} else {
		m.log.Info("stopped")
	}
	m.failed = errors.Join(err, m.log.close())
	close(m.ended)
}

func (m *MTA) run(ctx context.Context) error {
	delivering := make(chan error, 1)
	go func() { delivering <- m.engine.Run(context.Background()) }()
	deaf := make(chan error, len(m.ports.smtp))
	for _, p := range m.ports.smtp {
		go func() {
			if err := m.server.ServeListener(p.socket, p.policy); !errors.Is(err, smtpin.ErrServerClosed) {
				deaf <- fmt.Errorf("listening on %s: %w", p.socket.Addr(), err)
			}
		}()
		m.log.Info("listening", "address", p.socket.Addr().String(), "policy", p.policy.Name)
	}
	stopSpool := m.runSpool()
	m.takes.Store(true)
	close(m.ready)
	var failed error
	select {
	case <-ctx.Done():
	case <-m.asked:
	case failed = <-deaf:
	case failed = <-delivering:
		delivering <- nil
	}
	return errors.Join(failed, m.drain(stopSpool, delivering))
}

// drain ends everything: what is on its way within drainTime.
func (m *MTA) drain(stopSpool func(context.Context), delivering <-chan error) error {
	m.takes.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	// Sessions may take half of the time, so that delivery has the other half.
	sessions, release := context.WithTimeout(ctx, drainTime/2)
	defer release()
	stopSpool(sessions)
	if err := m.server.Shutdown(sessions); err != nil {
		m.log.Warn("sessions did not end in time and were cut off", "error", err)
		m.server.Close()
	}
	if err := m.engine.Shutdown(ctx); err != nil {
		m.log.Warn("deliveries did not end in time and were cut off; their messages stay in the queue", "error", err)
	}
	return errors.Join(<-delivering, m.opened.close())
}

// Shutdown ends Run, or closes what was opened when that was not called, and returns when everything is closed, with
// what Run returns. When ctx ends first, sessions and deliveries are cut off: what is on its way stays in the queue.
func (m *MTA) Shutdown(ctx context.Context) error {
	if m.begun.CompareAndSwap(false, true) {
		m.end(m.opened.close())
	}
	if m.asking.CompareAndSwap(false, true) {
		close(m.asked)
	}
	select {
	case <-m.ended:
	case <-ctx.Done():
		m.server.Close()
		m.engine.Close()
		<-m.ended
	}
	return m.failed
}

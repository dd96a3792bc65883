package command

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Supervisor tells systemd, or another that set NOTIFY_SOCKET, how this program is doing (sd_notify(3)). Where nobody
// asked for that its methods do nothing.
type Supervisor struct{ Logger *slog.Logger }

// Ready says that everything is open.
func (s Supervisor) Ready() { s.tell(daemon.SdNotifyReady) }

// Reload says that reload is under way while it is.
func (s Supervisor) Reload(reload func()) {
	now := ""
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) == nil { // Type=notify-reload wants to know it
		now = "\nMONOTONIC_USEC=" + strconv.FormatInt(t.Nano()/int64(time.Microsecond), 10)
	}
	s.tell(daemon.SdNotifyReloading + now)
	reload()
	s.Ready()
}

// Stopping says that the end has begun.
func (s Supervisor) Stopping() { s.tell(daemon.SdNotifyStopping) }

// Watch gives a sign of life, twice in the time of WATCHDOG_USEC, whenever alive has returned, until ctx ends. Where
// alive hangs there is none any more, and systemd starts the program anew.
func (s Supervisor) Watch(ctx context.Context, alive func()) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.Logger.Warn("systemd's watchdog is not served", "error", err)
	}
	if within == 0 {
		return
	}
	beat := time.NewTicker(within / 2)
	defer beat.Stop()
	for {
		alive()
		s.tell(daemon.SdNotifyWatchdog)
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s Supervisor) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.Logger.Warn("systemd cannot be told how this program is doing", "error", err)
	}
}

package smtpout

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// bindLate has the kernel choose the local port when the target is known. Ports then run out for each target, not for
// all of them together. A kernel without the option does as before.
func bindLate(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
}

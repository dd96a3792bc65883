//go:build !linux

package smtpout

import "syscall"

func bindLate(_, _ string, _ syscall.RawConn) error { return nil }

package file_test

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
)

// TestUnknownUsersTakeAsLong compares the processor time that known and unknown users take, which other programs do not
// disturb as they do the time on the wall.
func TestUnknownUsersTakeAsLong(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	hash := hashed(t, password, "mkpasswd", "-m", "sha-512", "-R", "40000", "-s")
	f, _, _ := open(t, "alice:"+hash+"\nbob:!"+hash+"\n")
	least := func(name string) time.Duration {
		least := time.Hour
		for range 5 {
			before := processorTime(t)
			require.ErrorIs(t, ask(t, f, name, "wrong"), auth.ErrRejected)
			least = min(least, processorTime(t)-before)
		}
		return least
	}
	known, unknown, locked := least("alice"), least("nobody"), least("bob")
	require.Greater(t, unknown, known/2)
	require.Greater(t, locked, known/2)
}

// processorTime is that of this thread, whose checks are done on it.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	const thread = 1 // RUSAGE_THREAD
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(thread, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

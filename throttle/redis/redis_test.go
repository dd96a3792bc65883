package redis

import (
	"testing"
	"time"

	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/throttletest"
)

// TestThrottler examines one instance that shares its limits.
func TestThrottler(t *testing.T) {
	w := newWorld(t)
	throttletest.RunShared(t, func(t *testing.T, limits throttle.Limits) throttle.Throttler {
		all, _ := w.instances(t, 1, limits)
		return all[0]
	}, throttletest.Sharing{Loss: 0.04, Patience: 20 * time.Millisecond})
}

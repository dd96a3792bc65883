package throttletest_test

import (
	"testing"

	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
	"github.com/sluicemail/sluice/throttle/throttletest"
)

// The test of a throttler hands it to the examiner, with the limits that each rule is about.
func ExampleRun() {
	// In a file of tests this is TestThrottler.
	_ = func(t *testing.T) {
		throttletest.Run(t, func(_ *testing.T, limits throttle.Limits) throttle.Throttler {
			return local.New(&local.Table{Base: limits})
		})
	}
	// Output:
}

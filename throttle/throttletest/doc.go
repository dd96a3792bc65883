// Package throttletest examines implementations of throttle.Throttler. A test of an implementation is
//
//	func TestThrottler(t *testing.T) {
//		throttletest.Run(t, func(t *testing.T, limits throttle.Limits) throttle.Throttler {
//			return mine.New(limits)
//		})
//	}
//
// Most cases run in a bubble of testing/synctest, where time passes only while everybody waits: minutes cost
// milliseconds, and what is counted is exact. The constructor is called inside the bubble; an implementation that
// shares its counts over a network needs a store in memory there.
package throttletest

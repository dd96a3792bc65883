//go:build race

package e2e

// raceDetector says that the tests, and so the program, run under the race detector.
const raceDetector = true

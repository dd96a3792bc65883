//go:build !race

package mtatest

// RaceDetector says that the tests, and so the program, run under the race detector.
const RaceDetector = false

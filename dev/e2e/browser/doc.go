// Package browser tests the management console as people use it: a real browser in front of a real mtad, with mail that
// flows from a source to sinks.
package browser

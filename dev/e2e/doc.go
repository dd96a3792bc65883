// Package e2e tries the real mtad: its tests start the program with package mtatest and look at it from where a user
// stands. The log, the exit code, the log files and the queue directory tell what mail that goes in and comes out does
// not. go test -short leaves out what takes long.
package e2e

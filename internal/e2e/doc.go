// Package e2e tries the real mtad: its tests build the program once, start it on free ports of loopback with a queue in a
// temporary directory, and look at it from where a user stands: mail goes in at one end from a smtptest.Source or by hand,
// and is counted at the other by a smtptest.Sink; the log, the exit code, the log files and the queue directory tell the
// rest.
//
// The pieces of the harness are start and daemon (a running mtad), newSink (where mail ends), send and talk (clients), and
// attempts and stored (what became of it). go test -short leaves out what takes long.
package e2e

// Package mtatest runs the real mtad for tests: [Start] starts it on free ports of loopback with a queue in a temporary
// directory, [Inside] does the same in the process of the test. Mail goes in at one end, from a smtptest.Source
// ([Daemon.Send]) or by hand ([Daemon.Talk]), and is counted at the other by a [Sink]; [Attempts], [Lines] and [Stored]
// tell what became of it.
package mtatest

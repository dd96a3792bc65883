// Package testserver starts real servers for tests: on free ports of loopback, in temporary directories, killed when
// the test ends or dies.
//
// A test that needs a program calls [Need] first. Where the program is not installed the test is skipped with the text
// "not installed: NAME"; with SLUICE_REQUIRE_SERVERS=1 in the environment it fails instead, so that a complete run
// cannot pass by skipping. Beside the real ones there is [DNS], a scripted name server inside the test's own process,
// for faults that no real server can be brought to.
//
// A harness for another server takes a few lines of [Start]: write the configuration into t.TempDir(), start the
// program in the foreground, and give Ready a function that returns nil once the server answers.
package testserver

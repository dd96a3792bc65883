package queuetest_test

import (
	"testing"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
	"github.com/sluicemail/sluice/queue/queuetest"
)

// The test of an engine hands it to the examiner, which makes a fresh one for each rule. One that keeps its messages
// when it closes says with Reopen how it is opened again.
func ExampleRun() {
	// In a file of tests this is TestContract.
	_ = func(t *testing.T) {
		newQueue := func(*testing.T) queue.Queue { return memory.New() }
		queuetest.Run(t, newQueue, queuetest.Options{})
	}
	// Output:
}

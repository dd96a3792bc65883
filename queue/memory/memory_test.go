package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
	"github.com/sluicemail/sluice/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	queuetest.Run(t, func(*testing.T) queue.Queue { return memory.New() }, queuetest.Options{})
}

package rabbit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
)

// TestBouncesOfTheKilled has mails fail while mtad is killed again and again, with its queues on a broker. Each sender
// gets a bounce; twice at most where the first one left within the moment before a kill.
func TestBouncesOfTheKilled(t *testing.T) {
	t.Parallel()
	const rounds, each = 4, 100
	address := node.VHost(t)
	d, l, kills := mtatest.KilledWhileRefused(t, mtatest.Settings{"rabbitmq-address": address}, rounds, each)
	ch := rabbittest.Stranger(t, address)
	rabbittest.AwaitWaiting(t, ch, "outbox", 0)
	accepted, arrived, again := l.Counts()
	t.Logf("%d refused, %d bounces, %d of them again", accepted, arrived, again)
	require.Equal(t, rounds*each, arrived)
	l.AgainOnlyAt(t, kills, time.Second)
	mtatest.Eventually(t, "every mail failed", func() bool { return rabbittest.Waiting(t, ch, "failure") >= rounds*each })
	d.Terminate(t)
}

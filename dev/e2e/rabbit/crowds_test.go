package rabbit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
)

// TestKilledWithMailsToMany kills mtad while mails to several recipients are on their way out of a broker's queue.
func TestKilledWithMailsToMany(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	c := mtatest.NewCrowds(t)
	d := c.KillUnderLoad(t, mtatest.Start(t, c.Settings().With(mtatest.Settings{"rabbitmq-address": address})), 2)
	ch := rabbittest.Stranger(t, address)
	rabbittest.AwaitWaiting(t, ch, "outbox", 0)
	_, arrived, again := c.Counts()
	mtatest.Eventually(t, "every recipient has a result",
		func() bool { return rabbittest.Waiting(t, ch, "results") >= arrived })
	d.Terminate(t)
	c.Check(t, time.Second) // a broker confirms late while the disk is busy
	require.LessOrEqual(t, rabbittest.Waiting(t, ch, "results"), arrived+again, "two only for those that came again")
}

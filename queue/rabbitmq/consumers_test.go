package rabbitmq

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
)

func TestConsumers(t *testing.T) {
	q := open(t, Options{Addresses: []string{node.VHost(t)}})
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("m", 2)...)
	rabbittest.Publish(t, q, "results", rabbittest.Mail("result"))
	r := rabbittest.Consume(t, q, "outbox", 2)
	r.Take(2)
	require.Eventually(t, func() bool {
		all, err := q.Consumers(t.Context())
		return err == nil && all["outbox"] > 0 && all["results"] == 0
	}, 10*time.Second, 20*time.Millisecond)
}

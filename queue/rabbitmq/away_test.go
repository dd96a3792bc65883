package rabbitmq

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A broker that is away for good is asked for about every ten seconds, by each who needs a connection.
func TestBrokerThatIsAwayIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts, err := endpoints([]string{"amqp://guest:guest@127.0.0.1:1/"})
		require.NoError(t, err)
		d := &dialer{opts: &Options{Logger: slog.New(slog.DiscardHandler)}, hosts: hosts}
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Hour)
		defer cancel()
		tries := 0
		_, err = d.connect(ctx, t, publishing, func(error) { tries++ })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		const slowest, fastest = int(6 * time.Hour / (lastRetry * 3 / 2)), int(6 * time.Hour / (lastRetry / 2))
		require.Greater(t, tries, slowest)
		require.Less(t, tries, (slowest+fastest)/2+100)
	})
}

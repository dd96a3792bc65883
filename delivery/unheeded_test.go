package delivery_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// TestPropertiesWithoutEffectAreTold has mail with properties that nothing is done about: it is sent, and the log names
// each kind once, with what is done instead.
func TestPropertiesWithoutEffectAreTold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var log bytes.Buffer
		w.Engine.Logger = slog.New(slog.NewTextHandler(&log, nil))
		w.start()
		send := func(change func(*queue.Message)) string {
			log.Reset()
			m := mail("someone@example.com")
			change(m)
			w.publish(m)
			w.sleep(time.Second)
			return log.String()
		}
		bounces, none := "bounces", ""
		require.Empty(t, send(func(m *queue.Message) { m.Queues = &queue.Queues{DSN: &none} }), "no bounces are wanted")
		wanted := func(m *queue.Message) { m.Queues = &queue.Queues{DSN: &bounces} }
		text := send(wanted)
		require.Equal(t, 1, strings.Count(text, "level=WARN"), text)
		require.Contains(t, text, "queues.dsn")
		require.Contains(t, text, "queue=bounces")
		require.Contains(t, text, "results and failures")
		require.Empty(t, send(wanted), "each kind is told once")
		require.Equal(t, 3, w.stats("success").Ready)
		w.shutDown()
	})
}

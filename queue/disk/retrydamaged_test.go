package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// TestRetryOfDamagedMail puts a message back for later after its mail turned out to be lost: that must not fail, or its
// consumer could never get rid of it. It comes again with the damage.
func TestRetryOfDamagedMail(t *testing.T) {
	dir := t.TempDir()
	q, err := Open(dir, Options{FileSize: 1024, CacheBytes: -1})
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Close()) }()
	m := &queue.Message{ID: "1", Recipient: "a@b.test", Body: queue.Bytes(make([]byte, 5000))}
	require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m}))
	mails, err := filepath.Glob(filepath.Join(dir, bodyDir, "*"))
	require.NoError(t, err)
	require.Len(t, mails, 1)
	require.NoError(t, os.Remove(mails[0]))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	deliveries := make(chan *queue.Delivery, 2)
	go func() {
		_ = q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) { deliveries <- d })
	}()
	d := <-deliveries
	if d.Err == nil {
		_, err = d.Message.Body.ReadAt(make([]byte, 10), 0)
		damage := new(queue.DamageError)
		require.ErrorAs(t, err, &damage)
		require.NoError(t, d.Settle(ctx, queue.Item{Queue: "outbox", Message: d.Message}))
		d = <-deliveries
	}
	damage := new(queue.DamageError)
	require.True(t, errors.As(d.Err, &damage), "error: %v", d.Err)
	require.NoError(t, d.Settle(ctx))
}

package rabbit

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestDelayedMailOfAnInbox has mtad put what comes in into a queue that another program reads, which passes it on. Mail
// that an earlier version has left on that queue's ladder is there after the start.
func TestDelayedMailOfAnInbox(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	ch := rabbittest.Stranger(t, address)
	_, err := ch.QueueDeclare("inbox.delay.1d", true, false, false, false, nil)
	require.NoError(t, err)
	old := object{"recipient": "old@sink.test", "mime": letter, "nextattempt": "2030-01-02 03:04:05"}
	require.NoError(t, ch.PublishWithContext(t.Context(), "", "inbox.delay.1d", true, false,
		amqp.Publishing{ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: old.text(t)}))

	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, mtatest.Queues(address).With(k.Settings()).With(mtatest.Settings{"rabbitmq-inbox": "inbox"}))
	require.Equal(t, "old@sink.test", get(t, ch, "inbox")["recipient"])

	due := time.Now().UTC().Add(2 * time.Second).Truncate(time.Second)
	c := d.Talk(t)
	defer c.Conn.Close()
	c.Command("EHLO client.test", 250)
	c.Command("MAIL FROM:<a@client.test>", 250)
	c.Command("RCPT TO:<later@sink.test>", 250)
	c.Command("DATA", 354)
	c.Raw("x-mq-delayed: " + due.Format(time.DateTime) + "\r\nSubject: x\r\n\r\ntext\r\n.\r\n")
	code, _ := c.Reply()
	require.Equal(t, 250, code)
	later := get(t, ch, "inbox")
	require.Equal(t, "later@sink.test", later["recipient"])
	require.Contains(t, later, "nextattempt")

	require.NoError(t, ch.PublishWithContext(t.Context(), "", "outbox", false, false,
		amqp.Publishing{Body: later.text(t)}))
	k.Await(t, 1)
	require.False(t, time.Now().Before(due), "before its time")
	require.Equal(t, "message/accepted", get(t, ch, "results").pair(t))
	d.Terminate(t)
}

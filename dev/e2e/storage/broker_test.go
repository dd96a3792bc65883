package storage

import (
	"encoding/json"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// node is a broker.
var node rabbittest.Node

// TestBroker keeps mails out of a broker: what is announced is not limited by the broker's messages, the message that
// another program sees has a key, and a result that keeps its mail has it as well.
func TestBroker(t *testing.T) {
	t.Parallel()
	address := "dir://" + t.TempDir()
	store := open(t, address)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	vhost := node.VHost(t)
	d := mtatest.Inside(t, k.Settings().With(published).With(mtatest.Settings{"rabbitmq-address": vhost,
		"rabbitmq-inbox":  "inbox",
		"storage-address": address, "storage-policy": "all", "smtp-maxsize": "300000000"}))
	require.Contains(t, d.Talk(t).Command("EHLO client.test", 250), "SIZE 300000000", "not what the broker takes")
	letter := text("to a broker", 100_000)
	d.Submit(t, "a@client.test", "b@sink.test", letter)

	conn, err := amqp.Dial(vhost)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	in := receive(t, ch, "inbox")
	require.NotContains(t, in, "mime")
	require.Less(t, len(in["key"].(string)), 100)
	mail, err := store.Get(t.Context(), in["key"].(string))
	require.NoError(t, err)
	require.EqualValues(t, mail.Size(), in["mime-size"])
	require.NoError(t, mail.Close())

	in["keepmime"], in["mine"] = true, "kept"
	body, err := json.Marshal(in)
	require.NoError(t, err)
	require.NoError(t, ch.PublishWithContext(t.Context(), "", "outbox", false, false,
		amqp.Publishing{ContentType: "application/json", Body: body}))
	ends(t, k.Await(t, 1)[0].Data, letter+"\r\n")
	out := receive(t, ch, "success")
	require.Equal(t, in["key"], out["key"])
	require.Equal(t, "kept", out["mine"])
	require.NotContains(t, out, "mime", "what is published back is in the store")
	require.Equal(t, "to a broker", out["extracted"].(map[string]any)["subject"])
	require.Equal(t, 1, files(t, address[len("dir://"):]), "nothing was stored twice")
}

// receive waits for a message of a queue and removes it.
func receive(t *testing.T, ch *amqp.Channel, name string) map[string]any {
	t.Helper()
	var o map[string]any
	mtatest.Eventually(t, "a message in "+name, func() bool {
		d, ok, err := ch.Get(name, true)
		require.NoError(t, err)
		if ok {
			require.NoError(t, json.Unmarshal(d.Body, &o))
		}
		return ok
	})
	return o
}

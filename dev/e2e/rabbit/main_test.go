package rabbit

import (
	"encoding/json"
	"flag"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
)

// node is the broker of most tests. victim is the one that is killed.
var node, victim rabbittest.Node

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "6") // they wait for the broker most of the time
	node.Warm()
	victim.Warm()
	mtatest.Main(m, node.End, victim.End)
}

// object is a message as another program sees it.
type object map[string]any

// text is the JSON of an object.
func (o object) text(t testing.TB) []byte {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	return text
}

// put publishes as other programs do.
func put(t testing.TB, ch *amqp.Channel, encoding string, body []byte) {
	t.Helper()
	require.NoError(t, ch.PublishWithContext(t.Context(), "", "outbox", false, false,
		amqp.Publishing{ContentType: "application/json", ContentEncoding: encoding, DeliveryMode: amqp.Persistent,
			Body: body}))
}

// get waits for a message of a queue and removes it.
func get(t testing.TB, ch *amqp.Channel, name string) object {
	t.Helper()
	for end := time.Now().Add(mtatest.Patience); time.Now().Before(end); {
		d, ok, err := ch.Get(name, true)
		require.NoError(t, err)
		if ok {
			require.Equal(t, uint8(amqp.Persistent), d.DeliveryMode)
			require.Equal(t, "application/json", d.ContentType)
			var o object
			require.NoError(t, json.Unmarshal(d.Body, &o), "%s", d.Body)
			return o
		}
		<-time.After(5 * time.Millisecond)
	}
	require.FailNow(t, "no message came", "queue %s", name)
	return nil
}

// last is the last result of a message.
func (o object) last(t testing.TB) object {
	t.Helper()
	all, ok := o["results"].([]any)
	require.True(t, ok && len(all) > 0, "%v", o)
	return all[len(all)-1].(map[string]any)
}

// pair is state and result of the last attempt.
func (o object) pair(t testing.TB) string {
	t.Helper()
	r := o.last(t)
	return r["state"].(string) + "/" + r["result"].(string)
}

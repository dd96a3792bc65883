package rabbit

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestWebhook has results posted that went through a queue of the broker.
func TestWebhook(t *testing.T) {
	t.Parallel()
	type result struct {
		ID      string
		Final   bool
		Message struct{ Recipient string }
	}
	got := make(chan result, 10)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var batch []result
		if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
			t.Error(err)
		}
		for _, one := range batch {
			got <- one
		}
	}))
	t.Cleanup(s.Close)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, mtatest.Queues(node.VHost(t)).With(k.Settings()).With(mtatest.Settings{"webhook-url": s.URL,
		"webhook-delay": "0", "webhook-retries": "true", "retry-interval": "1", "max-attempts": "1"}))
	d.Submit(t, "a@client.test", "you@sink.test", "Subject: x\r\n\r\nx\r\n")
	one := <-got
	require.Equal(t, "you@sink.test", one.Message.Recipient)
	require.True(t, one.Final)
	d.Submit(t, "a@client.test", "defer@sink.test", "Subject: x\r\n\r\nx\r\n")
	for one = <-got; !one.Final; one = <-got {
		require.Equal(t, "defer@sink.test", one.Message.Recipient)
	}
	d.Terminate(t)
}

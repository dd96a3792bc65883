package consoletest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/monitor/webhook"
)

// Webhook is a web hook that is down, with results 20 to 42, of which 40 and on wait, and one dead letter.
type Webhook struct{ Reason string }

func (w Webhook) State() admin.WebhookState {
	return admin.WebhookState{Target: "https://hooks.test", Waiting: 3, Oldest: time.Now(), Checkpoint: 40, First: 20,
		Next: 43, Dead: 1, LastError: "it answered 500: " + w.Reason, LastErrorAt: time.Now(), Since: time.Now()}
}

func (w Webhook) DeadLetters(from uint64, _ int) ([]admin.DeadLetter, error) {
	if from > 7 {
		return []admin.DeadLetter{}, nil
	}
	return []admin.DeadLetter{{Number: 7, Time: time.Now(), Reason: "it answered 400 Bad Request" + w.Reason,
		Result: []byte(`{"id":"1-a/1","message":{"recipient":"joe@sink.test"}}`)}}, nil
}

func (Webhook) Replay(_ context.Context, from string) (uint64, error) {
	switch number, err := strconv.ParseUint(from, 10, 64); {
	case from == "":
		return 0, nil
	case from == webhook.Dead:
		return 1, nil
	case err != nil:
		return 0, fmt.Errorf("%w: expected a number, got %q", webhook.ErrReplay, from)
	default:
		return 40 - number, nil
	}
}

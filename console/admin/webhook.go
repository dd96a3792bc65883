package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluicemail/sluice/monitor/webhook"
)

// WebhookState tells how posting results goes, DeadLetter of a result that was refused for good.
type (
	WebhookState = webhook.State
	DeadLetter   = webhook.DeadLetter
)

// Webhook posts results to a web server: a *webhook.Hook.
type Webhook interface {
	State() WebhookState
	DeadLetters(from uint64, limit int) ([]DeadLetter, error)
	Replay(ctx context.Context, from string) (count uint64, err error)
}

func noWebhook() error { return unsupported("no results are posted: webhook-url is not set") }

// WebhookState tells how posting results goes.
func (a *Admin) WebhookState() (WebhookState, error) {
	if a.Webhook == nil {
		return WebhookState{}, noWebhook()
	}
	return a.Webhook.State(), nil
}

// DeadLetters returns up to limit results that the web server refused for good, from a number on, oldest first.
func (a *Admin) DeadLetters(from uint64, limit int) ([]DeadLetter, error) {
	if a.Webhook == nil {
		return nil, noWebhook()
	}
	all, err := a.Webhook.DeadLetters(from, limit)
	if err != nil {
		return nil, unavailable("the dead letters cannot be read now", err)
	}
	return all, nil
}

// ReplayWebhook has results posted again, as webhook.Hook.Replay says, and returns how many.
func (a *Admin) ReplayWebhook(ctx context.Context, from string) (uint64, error) {
	if a.Webhook == nil {
		return 0, noWebhook()
	}
	count, err := a.Webhook.Replay(ctx, from)
	if errors.Is(err, webhook.ErrReplay) {
		s := a.Webhook.State()
		return 0, invalid("from", from, fmt.Sprintf("the number of a result from %d, the oldest that is kept, to %d, or %s",
			s.First, s.Checkpoint, webhook.Dead))
	}
	if err != nil {
		return count, unavailable("the results cannot be posted again now", err)
	}
	a.did(ctx, "results are posted again", "from", from, "count", count)
	return count, nil
}

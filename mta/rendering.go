package mta

import (
	"context"
	"errors"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/edit"
	"github.com/sluicemail/sluice/delivery/render"
	"github.com/sluicemail/sluice/delivery/render/fetch"
	"github.com/sluicemail/sluice/queue"
)

// newRenderer makes what makes mails of objects, fills in data and moves style sheets.
func newRenderer(b *base, downloads *fetch.Client) *render.Renderer {
	return &render.Renderer{Logger: b.log, Fetcher: downloads}
}

// rendering fits a renderer into the engine's hook.
func rendering(r *render.Renderer) func(context.Context, *queue.Message, queue.Body) (queue.Body, error) {
	return func(ctx context.Context, m *queue.Message, body queue.Body) (queue.Body, error) {
		made, err := r.Render(ctx, m, body)
		if e, ok := errors.AsType[*render.Error](err); ok {
			result := queue.Result{State: e.State, Result: queue.Error, Code: 554, Status: "5.6.0", Description: e.Error()}
			if e.State == queue.StateProcess {
				result.Result = queue.Invalid
			}
			return nil, &delivery.Failure{Temporary: e.Temporary, Cause: e, Result: result}
		}
		return made, err
	}
}

// Preview returns the mail that would be sent of the JSON of a message: rendered, and with its header edited, but not
// signed. Nothing is downloaded.
func Preview(ctx context.Context, message []byte) ([]byte, error) {
	m, err := queue.Unmarshal(message)
	switch {
	case err != nil:
		return nil, err
	case m.Body == nil && m.Compose == nil:
		return nil, errors.New("mime: expected a mail or an object, got none")
	}
	body, err := preview(ctx, new(render.Renderer), m)
	if err != nil {
		return nil, err
	}
	return queue.ReadBody(body)
}

// preview returns the mail that would be sent of a message, but for signatures.
func preview(ctx context.Context, r *render.Renderer, m *queue.Message) (body queue.Body, err error) {
	if render.Needed(m) {
		if m.Body, err = r.Render(ctx, m, m.Body); err != nil {
			return nil, err
		}
	}
	return edit.Finish(ctx, m)
}
